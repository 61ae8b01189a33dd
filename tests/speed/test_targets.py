"""Devices: what is shipped is what the reference says, and a bad file is refused with its whole message."""

import json
import re
from pathlib import Path

import pytest

from resnet_gen.cli import cli
from resnet_gen.language.source import read_file
from resnet_gen.ops.precision import PRECISIONS
from resnet_gen.problems import Refused
from resnet_gen.speed.targets import Target, load_target, shipped_targets
from resnet_gen.system.resources import shipped_specs, targets_folder

ROOT = Path(__file__).parents[2]
DEVICES = json.loads((ROOT / "tests" / "reference" / "devices.json").read_text(encoding="utf-8"))["devices"]
BAD = ROOT / "tests" / "bad_targets"
PEAKS = {"fp32_tflops": "fp32", "fp16_tflops": "fp16", "int8_tops": "int8", "fp8_tflops": "fp8"}


def test_every_device_of_the_reference_is_shipped_and_the_cpu():
    assert sorted(shipped_targets()) == sorted([*(d["id"] for d in DEVICES), "cpu", "cpu-avx2"])
    assert list(shipped_targets())[:3] == ["a100", "agx-orin", "agx-xavier"]


@pytest.mark.parametrize("name", shipped_targets())
def test_a_shipped_target_is_valid_and_called_as_its_file(name):
    target = load_target(name)
    assert target.name == name
    assert "fp32" in target.precisions


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d["id"])
def test_a_target_has_the_figures_of_the_reference(device):
    target = load_target(device["id"])
    assert target.architecture == device["architecture"]
    assert target.compute_capability == device["compute_capability"]
    assert target.peak_tflops == {ours: device[key] for key, ours in PEAKS.items() if device[key] is not None}
    assert target.bandwidth_gb_s == device["bandwidth_gb_s"]
    assert target.tensor_cores == device["tensor_cores"]
    assert target.opset == device["max_onnx_opset"]
    versions = re.split(r"[;(]", device["tensorrt"])[0]
    assert target.tensorrt == versions.split(",")[-1].strip().removesuffix(".x")
    assert target.engine == ("tensorrt-rtx" if target.capability in RTX else "in-place")


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d["id"])
def test_multiprocessors_and_peak_give_a_clock_that_can_be(device):
    target = load_target(device["id"])
    if "fp32" in target.peak_tflops:
        lanes = 64 if target.capability in {(7, 0), (7, 2), (7, 5), (8, 0)} else 128
        hertz = 1e12 * target.peak_tflops["fp32"] / (2 * lanes * target.multiprocessors)
        assert 0.9e9 < hertz < 2.6e9


RTX = {(7, 5), (8, 0), (8, 6), (8, 9), (12, 0)}
"""What TensorRT-RTX builds for."""


def test_precisions_are_those_that_the_hardware_and_its_tensorrt_have():
    allowed = {name: " ".join(load_target(name).precisions) for name in shipped_targets()}
    plain, int8, ampere, every = "fp32 fp16", "fp32 fp16 int8", "fp32 fp16 bf16 int8", "fp32 fp16 bf16 int8 fp8"
    xavier_orin_turing = (
        "xavier-nx", "agx-xavier", "orin-nano", "orin-nx", "agx-orin", "gtx-1650", "rtx-2080-ti", "t4",
    )  # fmt: skip
    assert allowed == {
        **dict.fromkeys(("jetson-nano", "jetson-tx2"), plain),
        **dict.fromkeys(xavier_orin_turing, int8),
        **dict.fromkeys(("a100", "rtx-3090", "cpu", "cpu-avx2"), ampere),
        **dict.fromkeys(("rtx-4090", "l4", "l40s", "rtx-5090", "h100", "h200", "b200"), every),
    }


def test_a_refusal_says_why_and_what_is_allowed_has_none():
    nano = load_target("jetson-nano")
    assert nano.refusal("int8") == "8-bit integer products came with compute capability 6.1, and this is 5.3"
    assert nano.refusal("fp16") is None
    assert nano.refusal("fp4") == "there is no precision 'fp4'"
    for name in shipped_targets():
        target = load_target(name)
        assert [p for p in PRECISIONS if target.refusal(p) is None] == list(target.precisions)


def test_targets_are_no_networks():
    assert not set(shipped_targets()) & set(shipped_specs())
    assert all(path.parent.name != "targets" for path in shipped_specs().values())


def test_an_unknown_device_is_refused_with_what_may_be_meant():
    with pytest.raises(Refused) as refused:
        load_target("jetson-nanno")
    hint = "did you mean 'jetson-nano'? others are files (docs/targets.md)"
    assert str(refused.value) == f"error: there is no target 'jetson-nanno'\nhint: {hint}"


def test_a_file_of_one_s_own_is_read_and_the_page_shows_one_that_is_valid(tmp_path):
    page = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")
    path = tmp_path / "my-board.yaml"
    path.write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL).group(1), encoding="utf-8")
    assert load_target(str(path)).title == "A carrier board with an Orin NX"
    assert {key for key in Target.model_fields if f"`{key}`" not in page} == set()
    with pytest.raises(Refused, match=r"no-such\.yaml: error: there is no such file"):
        load_target(str(tmp_path / "no-such.yaml"))


NAMES = sorted(path.stem for path in BAD.glob("*.yaml"))


def message(name: str) -> str:
    """What a user in the root of the project is told about one of the bad targets."""
    try:
        load_target(f"tests/bad_targets/{name}.yaml")
    except Refused as refused:
        return "\n".join(map(str, refused.problems)) + "\n"
    return "accepted\n"


def refresh() -> None:
    """Rewrite every NAME.txt with today's message; the diff is for reading."""
    for name in NAMES:
        (BAD / f"{name}.txt").write_text(message(name), encoding="utf-8")


@pytest.mark.parametrize("version", ["8", "8.1", "8.2", "8.2.1", "9", "10", "11", "11.9.9", "12", "12.0", "13.1"])
def test_bundles_are_for_what_their_trtexec_is_known_of(version, tmp_path):
    text = (targets_folder() / "h100.yaml").read_text().replace('tensorrt: "11"', f'tensorrt: "{version}"')
    path = tmp_path / "d.yaml"
    path.write_text(text)
    if version in ("8", "8.1", "12", "12.0", "13.1"):
        with pytest.raises(Refused, match=r"tensorrt: bundles are for TensorRT 8\.2 to 11"):
            load_target(str(path))
    else:
        assert load_target(str(path)).tensorrt == version


def test_there_are_bad_targets():
    assert len(NAMES) >= 12
    assert sorted(path.stem for path in BAD.glob("*.txt")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_target_is_refused_with_its_whole_message(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert message(name) == (BAD / f"{name}.txt").read_text(encoding="utf-8")
    assert ": error: " in message(name)


def listed(capsys, *arguments):
    cli.main(["targets", *arguments], standalone_mode=False)
    return capsys.readouterr().out


def test_the_list_as_json_is_what_the_files_say(capsys):
    entries = {entry["name"]: entry for entry in json.loads(listed(capsys, "--format", "json"))}
    assert list(entries) == list(shipped_targets())
    for name, entry in entries.items():
        data = read_file(shipped_targets()[name]).data
        if "measured" in data:
            data["measured"] = {"batch": 1, **data["measured"]}
        assert entry == {"refuses": {}, "peak_tflops": {}, "reduce_range": False, **data}


def test_the_list_as_text_has_a_line_a_device(capsys):
    lines = listed(capsys).splitlines()
    rows = [line.split() for line in lines]
    assert " ".join(rows[0]) == "name SM TensorRT engine opset precisions memory GB GB/s"
    assert ["jetson-nano", "5.3", "8.2.1", "in-place", "13", "fp32", "fp16", "4", "25.6"] in rows
    assert ["cpu", "-", "-", "onnx", "26", "fp32", "fp16", "bf16", "int8", "-", "-"] in rows
    assert len(lines) == len(shipped_targets()) + 1


@pytest.mark.parametrize("key", ["bandwidth_gb_s", "memory_gb", "peak_tflops", "images_per_second"])
@pytest.mark.parametrize("figure", ["5e-324", "1e-300", "1e-7", "1e10", "1e300", "1e-6", "1e9"])
def test_figures_that_no_device_has_are_refused_and_all_others_give_numbers(tmp_path, key, figure, capsys):
    text = (ROOT / "specs" / "targets" / "agx-xavier.yaml").read_text(encoding="utf-8")
    pattern = rf"(\b{key}: (?:{{\w+: )?)[0-9.e]+"
    changed, times = re.subn(pattern, rf"\g<1>{figure}", text, count=1)
    assert times == 1
    path = tmp_path / "mine.yaml"
    path.write_text(changed, encoding="utf-8")
    if figure not in ("1e-6", "1e9"):
        with pytest.raises(Refused, match=key):
            load_target(str(path))
        return
    try:
        cli.main(["predict", "resnet18", "--for", str(path), "--format", "json"], standalone_mode=False)
    except Refused:
        return  # told in words
    printed = capsys.readouterr().out
    json.loads(printed, parse_constant=lambda word: pytest.fail(word))

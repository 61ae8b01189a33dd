"""The roofline: each term by hand, the fit, what is refused, and the errors against what others measured."""

import json
import math
import warnings

import pytest

from resnet_gen import emit_onnx, ops
from resnet_gen import predict as predicted_by
from resnet_gen.cli import cli, main
from resnet_gen.graph import Net, Value
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.problems import Refused
from resnet_gen.speed.prediction import FIXED_SECONDS, SUSTAINED_BANDWIDTH, WINOGRAD, find_efficiency, predict
from resnet_gen.speed.targets import Measured, Target, load_target, shipped_targets
from resnet_gen.system.resources import shipped_specs
from tests.helpers import published

PAGE = published.PAGE.read_text(encoding="utf-8")


def target(**changes):
    """A device of round figures that computes in full: 1 TFLOPS, 100 GB/s sustained, one multiprocessor."""
    plain = {
        "name": "board", "title": "A board", "architecture": "none", "engine": "onnx", "opset": 20,
        "precisions": ["fp32", "fp16"], "refuses": {"bf16": "no", "int8": "no", "fp8": "no"}, "memory_gb": 1,
        "bandwidth_gb_s": 100 / SUSTAINED_BANDWIDTH, "peak_tflops": {"fp32": 0.5, "fp16": 1.0}, "tensor_cores": False,
        "multiprocessors": 1, "source": "made up",
    }  # fmt: skip
    return Target.model_validate({**plain, **changes})


def one(op, shape=(64, 8, 8)):
    """The graph of one operation."""
    net = Net(Value("input", shape))
    return net.graph("net", [net.add("a", op, net.input)])


def times(device, graph, precision="fp16", batch=1):
    """(compute, memory) of the one kernel, in seconds at the peak."""
    (cost,) = predict(graph, device, precision, batch).costs
    return pytest.approx(cost.compute), pytest.approx(cost.memory)


POINT = ops.Conv(64, kernel=1)
MACS = 64 * 64 * 8 * 8


def test_arithmetic_and_traffic_of_a_convolution_by_hand():
    moved = 2 * (64 * 64 + 2 * 64 * 8 * 8)
    assert times(target(), one(POINT)) == (2 * MACS / 1e12, moved / 100e9)
    assert times(target(), one(POINT), "fp32") == (2 * MACS / 0.5e12, 2 * moved / 100e9)
    assert times(target(), one(POINT), batch=3) == (6 * MACS / 1e12, (2 * 64 * 64 + 3 * 4 * 64 * 8 * 8) / 100e9)


def test_winograd_saves_only_where_it_applies():
    full = 2 * 9 * MACS / 1e12
    three = ops.Conv(64, kernel=3, padding=1)
    assert times(target(), one(three))[0] == full / WINOGRAD
    assert times(target(tensor_cores=True), one(three))[0] == full
    assert times(target(), one(ops.Conv(64, kernel=3, padding=1, stride=2)))[0] == full / 4
    assert times(target(), one(ops.Conv(64, kernel=3, padding=2, dilation=2)))[0] == full
    assert times(target(), one(ops.Conv(64, kernel=3, padding=1, groups=64)))[0] == full / 64


def test_a_layer_uses_no_more_multiprocessors_than_it_has_tiles():
    peak = 2 * MACS / 1e12
    assert times(target(multiprocessors=8), one(POINT))[0] == 8 * peak, "64 outputs of 64 channels are one tile"
    assert times(target(multiprocessors=8), one(POINT), batch=4)[0] == 2 * 4 * peak
    assert times(target(multiprocessors=8), one(POINT), batch=8)[0] == 8 * peak
    assert times(target(multiprocessors=8), one(ops.Conv(65, kernel=1)))[0] == 4 * peak * 65 / 64
    assert times(target(multiprocessors=None), one(POINT))[0] == peak


def test_tensor_cores_take_channels_by_16_bytes_unless_plain_cores_are_quicker():
    with_tensors = target(tensor_cores=True, peak_tflops={"fp32": 0.25, "fp16": 1.0})
    narrow, full = one(ops.Conv(64, kernel=1), (4, 8, 8)), 2 * MACS / 16 / 1e12
    assert times(with_tensors, narrow)[0] == 2 * full, "4 channels cost 8"
    depthwise = one(ops.Conv(64, kernel=3, padding=1, groups=64))
    assert times(with_tensors, depthwise)[0] == 4 * 2 * 9 * MACS / 64 / 1e12, (
        "64 times the work, or a fourth of the peak"
    )
    alone = target(tensor_cores=True, peak_tflops={"fp16": 1.0})
    assert times(alone, depthwise)[0] == 64 * 2 * 9 * MACS / 64 / 1e12


def test_a_kernel_takes_the_longer_of_the_two_and_a_fixed_time():
    wide = one(ops.Conv(512, kernel=1), (512, 64, 64)), {"measured": MEASURED}, "compute"
    heavy = one(ops.Conv(512, kernel=1), (512, 1, 1)), {"bandwidth_gb_s": 1}, "memory"
    plain = one(ops.Activation("relu"), (512, 64, 64)), {}, "memory"
    small = one(POINT, (64, 1, 1)), {}, "overhead"
    for graph, changes, bound in (wide, heavy, plain, small):
        found = predict(graph, target(**changes), "fp16")
        (cost,), e = found.costs, found.efficiency.value
        assert found.seconds == pytest.approx(max(cost.compute / e, cost.memory) + FIXED_SECONDS)
        assert found.total().bound == bound


MEASURED = Measured(network="cifar-resnet20", precision="fp16", images_per_second=8, source="made up")


@pytest.mark.parametrize("name", [n for n in shipped_targets() if load_target(n).measured])
def test_the_efficiency_gives_back_what_was_measured(name):
    device = load_target(name)
    m = device.measured
    found = predict(published.graph(m.network), device, m.precision, m.batch)
    assert found.images_per_second == pytest.approx(m.images_per_second, rel=1e-9)
    assert 0.1 < found.efficiency.value < 1
    assert f"{m.images_per_second:g} images/s" in found.efficiency.basis


def test_what_was_measured_is_the_published_resnet_50():
    columns = {device: column for column, device in published.DEVICES.items()}
    seen = {n: load_target(n).measured for n in shipped_targets() if load_target(n).measured}
    assert set(seen) == {*columns, "agx-xavier"}
    assert {m.network for m in seen.values()} == {published.FITTED}
    table = published.SEED["as_printed"][published.FITTED]
    for name, measured in seen.items():
        wanted = table[columns[name]] if name in columns else published.TORCH2TRT[name][published.FITTED]
        assert measured.images_per_second == wanted


def test_a_device_that_nobody_measured_takes_the_mean_of_its_class_and_says_so():
    known = published.efficiencies()
    found = find_efficiency(load_target("t4"))
    assert found.value == pytest.approx(math.sqrt(known["rtx-2080-ti"] * known["agx-xavier"]))
    assert found.basis == "no measurement of t4 is known; the mean of agx-xavier, rtx-2080-ti is taken for it"
    assert find_efficiency(target()).basis.endswith("the mean of gtx-1650, jetson-nano, jetson-tx2 is taken for it")


def refusal(device, precision="fp16", batch=1, network="resnet50"):
    with pytest.raises(Refused) as refused:
        predict(published.graph(network), device, precision, batch)
    return str(refused.value)


def test_what_a_device_cannot_do_is_refused_with_its_reason():
    nano = load_target("jetson-nano")
    reason = nano.refuses["int8"]
    assert refusal(nano, "int8") == f"error: jetson-nano does not run int8: {reason}\nhint: it runs fp32, fp16"
    assert refusal(nano, batch=60_000) == (
        "error: resnet50 in fp16 at batch 60,000 needs 216.8 GB, and jetson-nano has 4\nhint: take a smaller batch"
    )
    assert refusal(load_target("gtx-1650"), "int8").startswith(
        "error: no peak of int8 is known for gtx-1650\nhint: state"
    )
    assert refusal(load_target("cpu")).startswith(
        "error: no peak of fp16 is known for cpu\nhint: its figures are those"
    )
    assert refusal(target(bandwidth_gb_s=None)).startswith("error: no bandwidth is known for board\n")
    quick = Measured(network="resnet50", precision="fp16", images_per_second=1e6, source="a dream")
    assert refusal(target(measured=quick)) == (
        "error: measured of board: 1e+06 images/s of resnet50 cannot be: its peaks do not allow it"
    )


def test_peaks_that_nobody_prints_follow_from_others_or_not_at_all():
    graph = one(ops.Conv(512, kernel=1), (512, 64, 64))
    nx = load_target("xavier-nx")
    assert "fp16" not in nx.peak_tflops
    assert predict(graph, nx, "fp16").costs[0].compute == pytest.approx(2 * predict(graph, nx, "int8").costs[0].compute)
    a100 = load_target("a100")
    assert predict(graph, a100, "bf16").seconds == predict(graph, a100, "fp16").seconds
    assert refusal(nx, "fp32").startswith("error: no peak of fp32 is known for xavier-nx\n")


def test_a_larger_batch_is_never_slower_an_image():
    for name in ("jetson-nano", "rtx-2080-ti", "h100"):
        rates = [published.images_per_second("resnet50", name, batch=2**n) for n in range(6)]
        assert rates == sorted(rates)
    assert rates[-1] > 5 * rates[0], "a large GPU idles on one image"


@pytest.mark.parametrize("name", list(shipped_specs())[::11])
def test_every_kind_of_network_has_a_finite_time(name):
    graph = lower(load(name))
    for device in ("jetson-nano", "agx-orin", "b200"):
        found = predict(graph, load_target(device), "fp16")
        assert len(found.costs) * FIXED_SECONDS < found.seconds < 60
        assert found.seconds == pytest.approx(sum(row.seconds for row in found.stages()))
        assert [row.macs for row in found.layers()] == [cost.macs for cost in found.costs]
        assert sum(row.kernels for row in found.stages()) == len(found.costs) == found.total().kernels


# --- against what others measured -------------------------------------------


def test_the_median_errors_meet_their_aims_on_cells_that_nothing_was_fitted_to():
    seed, xavier = published.errors(published.seed_cells()), published.errors(published.xavier_cells())
    assert (len(seed), len(xavier)) == (15, 4)
    assert {network for _, network in (*seed, *xavier)} == set(published.NETWORKS) - {published.FITTED}
    of_seed, of_xavier = published.medians()
    assert of_seed <= 0.15
    assert of_xavier <= 0.20


def test_the_form_is_the_one_whose_efficiencies_agree_best_and_no_constant_but_the_tile_decides():
    found = published.sensitivity()
    spreads = {words: round(spread, 2) for words, (spread, _, _) in found.items()}
    assert spreads["as it is"] == min(spreads.values())
    assert all(seed <= 0.15 and xavier <= 0.2 for words, (_, seed, xavier) in found.items() if words != "tiles of 128")


def test_predictions_stay_below_what_mlperf_shows_and_within_reach_of_it():
    assert all(0.3 < ratio < 1 for ratio in published.mlperf_ratios().values())


@pytest.mark.parametrize("table", published.TABLES)
def test_the_page_shows_today_s_tables(table):
    assert published.shown(PAGE, table) == published.TABLES[table](), "run `make generated`"


# --- the command ------------------------------------------------------------


def ran(capsys, *arguments):
    cli.main(["predict", *arguments], standalone_mode=False)
    return capsys.readouterr()


def test_layers_are_a_row_a_kernel(capsys):
    lines = ran(capsys, "resnet18", "--for", "t4", "--precision", "int8", "--layers")[0].splitlines()
    assert lines[0].split() == ["layer", "MACs", "bytes", "ms", "bound", "by"]
    assert lines[1].split()[:2] == ["conv1", "118,013,952"]
    assert len(lines) == 1 + 23 + 1 + 2


def test_json_has_the_same_rows_and_what_it_rests_on(capsys):
    options = ("resnet18", "--for", "h200", "--batch", "8", "--set", "head.classes=10", "--format", "json")
    whole, layers = (json.loads(ran(capsys, *options, *more)[0]) for more in ((), ("--layers",)))
    assert [row["name"] for row in whole["stages"]] == ["stem", "stage 1", "stage 2", "stage 3", "stage 4", "head"]
    assert whole["stages"][-1]["macs"] == 8 * 512 * 10
    for entry, rows in ((whole, "stages"), (layers, "layers")):
        assert sum(row["milliseconds"] for row in entry[rows]) == pytest.approx(entry["milliseconds"])
        assert entry["images_per_second"] == pytest.approx(8e3 / entry["milliseconds"])
        assert "no measurement of h200" in entry["basis"]
    assert set(whole["stages"][0]) == {"name", "kernels", "macs", "bytes", "milliseconds", "bound"}


@pytest.mark.parametrize("own", ["fp32", "fp16", "int8"])
def test_a_file_is_predicted_in_what_it_computes_in_unless_another_is_asked_for(own, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = {"calibration": "random", "placement": "tensorrt"} if own == "int8" else {}
    with warnings.catch_warnings(action="ignore"):
        emit_onnx("cifar-resnet20", "net.onnx", precision=own, **more)
    for asked in (None, "fp16"):
        words = ("net.onnx", "--for", "t4", "--format", "json", *(("--precision", asked) if asked else ()))
        out, err = ran(capsys, *words)
        data = json.loads(out)
        assert (data["precision"], data["source"]["precision"]) == (asked or own, own)
        assert f"net.onnx: predicted in {asked or own}, " in err
        assert ("as asked for; the file computes in" in err) == (asked not in (None, own))
        assert predicted_by("net.onnx", "t4", precision=asked).precision == (asked or own)
    spec, err = ran(capsys, "cifar-resnet20", "--for", "t4", "--format", "json")
    assert (json.loads(spec)["precision"], "source" in json.loads(spec), "predicted in" in err) == (
        "fp16",
        False,
        False,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["resnet51", "--for", "t4"], "error: there is no spec 'resnet51'\nhint: did you mean 'resnet"),
        (["resnet50", "--for", "t5"], "error: there is no target 't5'\nhint: "),
        (["resnet50", "--for", "nowhere/t4.yaml"], "nowhere/t4.yaml: error: there is no such file"),
        (
            ["resnet50", "--for", "tests/bad_targets/engine_unknown.yaml"],
            "engine_unknown.yaml:6:9: error: engine: 'inpl",
        ),
        (
            ["resnet50", "--for", "t4", "--set", "stages.depths=[0]"],
            "--set:1:16: error: stages.depths.0: 0 is too small",
        ),
        (["resnet50", "--for", "t4", "--precision", "fp8"], "error: t4 does not run fp8: FP8 came with compute"),
        (["resnet50", "--for", "t4", "--batch", "0"], "0 is not in the range"),
        (["resnet50"], "Missing option '--for'"),
    ],
)
def test_what_cannot_be_predicted_exits_with_2_and_says_why(capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(published.ROOT)
    with pytest.raises(SystemExit) as left:
        main(["predict", *arguments])
    out, err = capsys.readouterr()
    assert (left.value.code, out) == (2, "")
    assert words in err


@pytest.mark.parametrize("name", shipped_targets())
def test_a_shipped_device_is_read_once(name):
    """What a device without a measurement is predicted by are all others, at each call."""
    assert load_target(name) is load_target(name)

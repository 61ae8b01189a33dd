"""`build`: an option changes what is written, or is refused; none is taken and does nothing."""

from pathlib import Path

import pytest

from tests.helpers.onnx_runs import TINY

WEIGHTS = TINY.with_name("float32.safetensors")
TARGETS = {
    "onnx": ("--target", "onnx"),
    "onnx in half precision": ("--precision", "fp16"),
    "onnx in eight bits": ("--precision", "int8", "--qdq", "cpu", "--calibration", "random"),
    "triton": ("--target", "triton"),
    "triton for a CPU": ("--target", "triton", "--for", "cpu"),
    "triton for a GPU": ("--target", "triton", "--for", "h100"),
    "bundle": ("--target", "bundle", "--for", "h100"),
    "report": ("--target", "report"),
}
OPTIONS = [
    "--io typed",
    "--sm 90",
    "--tf32",
    "--calibration-method entropy",
    "--calibration-images 3",
    "--rest fp16",
    "--reduce-range",
    "--opset 23",
    "--batch 2",
    "--batch 1:8:32",
    "--batch 1:2:4",
    "--batch 2:4:8",
    "--min-shapes input:1x1x8x8 --opt-shapes input:2x1x8x8 --max-shapes input:4x1x8x8",
    "--shapes input:2x1x8x8",
    "--input 16",
    "--set head.classes=4",
    f"--weights {WEIGHTS}",
    "--seed 3",
    f"--weights {WEIGHTS} --seed 3",
    "--fold-bn",
    "--no-compare",
    "--check --force",
    "--all-shipped",
]
SAYS_THE_DEFAULT = {("1:8:32", "triton"), ("1:8:32", "bundle")}
"""A range that is what is taken without one."""
COMPARES_NOTHING = ("onnx", "onnx in eight bits", "triton", "triton for a CPU")
"""What is in FP32 as it stands or was measured by quantizing it, as `--no-compare` says of itself."""


def written(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def as_it_is():
    """What is written without the option, by target."""
    return {}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_build_does_something_or_is_refused(option, target, as_it_is, cli, tmp_path):
    if target not in as_it_is:
        assert cli("build", TINY, "-o", tmp_path / "plain", *TARGETS[target])[0] == 0
        as_it_is[target] = written(tmp_path / "plain")
    folder = Path(tmp_path / "out")
    code, _, err = cli("build", TINY, "-o", folder, *TARGETS[target], *option.split())
    assert code in (0, 2)
    if code == 2:
        assert "error: " in err
        assert not folder.exists()
    elif any(words in option and target.startswith(start) for words, start in SAYS_THE_DEFAULT):
        assert written(folder) == as_it_is[target]
    elif option != "--no-compare" or target not in COMPARES_NOTHING:
        assert written(folder) != as_it_is[target]

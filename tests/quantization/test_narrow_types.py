"""What float16 and bfloat16 cannot hold: activations, variances, eps; and what a build says of itself beside FP32."""

import json
import warnings

import numpy as np
import pytest
from safetensors.numpy import save_file

from resnet_gen import build, emit_onnx, load_spec
from resnet_gen.engine.runtimes import open_file
from resnet_gen.language.lower import lower
from resnet_gen.ops import BatchNorm
from resnet_gen.problems import Refused
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import TINY

SETTINGS = ("input.size=16", "head.classes=5", "stages.depths=[1, 1]", "stages.strides=[1, 2]", "stages.widths=[8, 16]")
NAMES = ["resnet18", "seresnet18", "resnet50"]
READERS = {
    "resnet18": ["layer1.0.conv1", "layer2.0.conv1", "layer2.0.downsample.0"],
    "seresnet18": ["layer1.0.conv1", "layer2.0.conv1", "layer2.0.downsample.0"],
    "resnet50": ["layer1.0.conv1", "layer1.0.downsample.0"],
}


def drawn(name, *settings):
    graph = lower(load_spec(name, [*SETTINGS, *settings]))
    seeded = SeededWeights(graph, 0)
    return graph, {k: np.array(seeded.rows(k, 0, t.shape[0])) for k, t in graph.state().items() if t.shape}


def overflowing(path, name, factor):
    """Weights whose first norm multiplies by `factor`, which what reads it takes back."""
    graph, tensors = drawn(name)
    norm = next(n for n in graph.nodes if isinstance(n.op, BatchNorm))
    tensors[norm.weight_name("weight")][:] = factor
    for reader in READERS[name]:
        tensors[f"{reader}.weight"] /= factor
    save_file(tensors, path)
    return path


def images(path, count=6):
    values = np.random.default_rng(0).standard_normal((count, 3, 16, 16)).astype(np.float32)
    np.savez(path, images=values)
    return path


def options(name, *more):
    return (name, *(word for text in SETTINGS for word in ("--set", text)), *more)


# --- activations ------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--fold-bn",), ("--io", "typed")], ids=" ".join)
@pytest.mark.parametrize("name", NAMES)
def test_activations_beyond_float16_are_refused_with_images_and_told_without(cli, tmp_path, name, more):
    weights = overflowing(tmp_path / "w.safetensors", name, 6.4e4)
    command = ("build", *options(name, "--weights", weights, "-o", tmp_path / "out", *more))
    given = ("--calibration", images(tmp_path / "x.npz"))
    code, _, err = cli(*command, "--precision", "fp16", *given)
    assert (code, (tmp_path / "out").exists()) == (2, False)
    assert "error: float16 holds up to 65,504, and the images reach " in err
    assert ("conv1 " if "--fold-bn" in more else "bn1 ") in err
    assert "hint: --precision bf16 or fp32 holds that; --no-compare builds it all the same" in err
    code, _, err = cli(*command, "--precision", "fp16")
    assert code == 0
    assert f"warning: {name}: float16 holds up to 65,504, and drawn noise reaches " in err
    code, _, err = cli(*command, "--precision", "bf16", *given)
    assert (code, "warning" in err) == (0, False)
    assert f"{name}: signal to noise of logits " in err


def test_an_int8_network_s_rest_in_float16_is_held_to_its_range(cli, tmp_path):
    weights = overflowing(tmp_path / "w.safetensors", "resnet18", 6.4e4)
    command = ("build", *options("resnet18", "--weights", weights, "-o", tmp_path / "out", "--precision", "int8"))
    given = ("--qdq", "tensorrt", "--calibration", images(tmp_path / "x.npz"))
    code, _, err = cli(*command, *given, "--rest", "fp16")
    assert (code, "hint: --rest bf16 or fp32 holds that; --no-compare" in err) == (2, True)
    assert cli(*command, *given, "--rest", "fp32")[0] == 0


@pytest.mark.parametrize("factor", np.geomspace(1, 1e6, 7))
def test_a_build_is_refused_exactly_where_activations_are_beyond_the_type(tmp_path, factor):
    """Compared with what ONNX Runtime sees behind the norm in float32, which every ReLU of a norm hands on."""
    weights, given = overflowing(tmp_path / "w.safetensors", "resnet18", factor), images(tmp_path / "x.npz", 4)
    loaded = load_spec("resnet18", [*(s for s in SETTINGS if "head" not in s), "outputs=[stage1, stage2]", "head=none"])
    seen = emit_onnx(loaded, tmp_path / "a.onnx", weights=weights)
    with np.load(given) as arrays:
        reach = float(np.abs(open_file("onnxruntime", seen).run(arrays["images"])["stage1"]).max())
    if reach > 66e3:
        with pytest.raises(Refused, match=r"float16 holds up to 65,504|has values beyond float16"):
            build(loaded, tmp_path / "out", precision="fp16", weights=weights, calibration=given)
    elif reach < 15e3:
        build(loaded, tmp_path / "out", precision="fp16", weights=weights, calibration=given)


def test_functions_warn_of_noise_and_refuse_images(tmp_path):
    loaded, weights = load_spec("resnet18", SETTINGS), overflowing(tmp_path / "w.safetensors", "resnet18", 6.4e4)
    with pytest.warns(UserWarning, match="resnet18: float16 holds up to 65,504, and drawn noise reaches"):
        build(loaded, tmp_path / "a", precision="fp16", weights=weights)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(loaded, tmp_path / "b", precision="fp16", weights=weights, compare=False)
    for function, place in ((build, tmp_path / "c"), (emit_onnx, tmp_path / "c.onnx")):
        with pytest.raises(Refused, match="the images reach"):
            function(loaded, place, precision="fp16", weights=weights, calibration=images(tmp_path / "x.npz"))
        assert not place.exists()


# --- variances and eps ----------------------------------------------------------


def with_variance(path, variance, eps):
    _, tensors = drawn("resnet18", f"norm.eps={eps!r}")
    for name in tensors:
        if name.endswith("running_var"):
            tensors[name][::2] = variance
    save_file(tensors, path)
    return path


@pytest.mark.parametrize("eps", [1e-5, 1e-6, 1e-7, 1e-8, 1e-12, 1e-30])
@pytest.mark.parametrize("variance", [1.0, 1e-4, 1e-6, 6e-8, 2e-8, 1e-12, 0.0])
def test_a_norm_is_kept_in_float16_only_if_that_holds_what_it_divides_by(tmp_path, variance, eps):
    loaded = load_spec("resnet18", [*SETTINGS, f"norm.eps={eps!r}"])
    weights = with_variance(tmp_path / "w.safetensors", variance, eps)
    held = np.float64(np.float16(variance)) + np.float64(np.float16(eps))
    right = abs(np.sqrt(held / (np.float64(np.float32(variance)) + eps)) - 1) < 0.05
    emit_onnx(loaded, precision="bf16", weights=weights)
    emit_onnx(loaded, precision="fp16", weights=weights, fold=True) if variance > 1e-9 else None
    if right:
        emit_onnx(loaded, precision="fp16", weights=weights)
    else:
        words = (
            r"'bn1': variances of 32 channels with eps \S+ vanish in float16\nhint: fold it with --fold-bn, or build"
        )
        with pytest.raises(Refused, match=words):
            emit_onnx(loaded, precision="fp16", weights=weights)


@pytest.mark.parametrize("norm", ["{kind: group, groups: 4, eps: 1.0e-9}", "{kind: layer, eps: 1.0e-9}"])
def test_an_eps_that_float16_takes_for_zero_is_refused(norm):
    loaded = load_spec("resnet18", [*SETTINGS, f"norm={norm}"])
    with pytest.raises(Refused, match=r"its eps of 1e-09 is 0 in float16\nhint: set norm\.eps, or build in bf16"):
        emit_onnx(loaded, precision="fp16")
    emit_onnx(loaded, precision="bf16")


@pytest.mark.parametrize("kind", ["batch", "group", "layer"])
@pytest.mark.parametrize("eps", ["5.0e-324", "1.0e-45", "1.1e-38"])
def test_an_eps_that_no_type_holds_is_no_eps(kind, eps):
    more = ", groups: 4" if kind == "group" else ""
    with pytest.raises(Refused, match=r"eps: \S+ is too small: it must be at least 1\.17549"):
        load_spec("resnet18", [f"norm={{kind: {kind}, eps: {eps}{more}}}"])


# --- a build beside FP32 --------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "least"), [(("--fold-bn",), 80), (("--precision", "fp16"), 40), (("--precision", "bf16"), 25)]
)
def test_a_build_says_how_far_it_is_from_float32(cli, tmp_path, more, least):
    code, _, err = cli("build", TINY, "-o", tmp_path, *more)
    assert code == 0
    line = next(line for line in err.splitlines() if line.startswith("tiny: signal to noise of logits "))
    assert float(line.split()[6]) > least
    assert "against FP32 on 4 images of drawn noise; same best class for 100%" in line
    manifest = json.loads((tmp_path / "tiny.manifest.json").read_text())
    assert manifest["compared"] == {"source": "random", "images": 4, "seed": 0}
    code, _, err = cli("build", TINY, "-o", tmp_path, *more, "--no-compare")
    assert (code, err) == (0, "")
    assert json.loads((tmp_path / "tiny.manifest.json").read_text())["compared"] is False


def test_float32_as_it_stands_has_nothing_to_be_compared(cli, tmp_path):
    assert cli("build", TINY, "-o", tmp_path)[2] == ""
    assert json.loads((tmp_path / "tiny.manifest.json").read_text())["compared"] is None


def test_a_network_that_is_not_finite_itself_is_not_compared(cli, tmp_path):
    _, tensors = drawn("resnet18")
    tensors["fc.weight"][:] = 3e38
    save_file(tensors, tmp_path / "w.safetensors")
    command = options("resnet18", "--weights", tmp_path / "w.safetensors", "--fold-bn", "-o", tmp_path)
    code, _, err = cli("build", *command)
    assert (code, "not compared with FP32: that itself outputs values that are not finite" in err) == (0, True)


def test_maps_have_no_best_class(cli, tmp_path):
    given = ("--calibration", images(tmp_path / "x.npz"), "--qdq", "cpu", "--precision", "int8")
    maps = options("resnet18", "--set", "head=none", "--set", "outputs=[stage1, stage2]", "-o", tmp_path)
    maps = tuple(word for word in maps if word != "head.classes=5")
    maps = tuple(w for i, w in enumerate(maps) if not (w == "--set" and i + 1 < len(maps) and maps[i + 1] == "--set"))
    code, _, err = cli("build", *maps, *given)
    assert (code, "signal to noise of stage1 " in err, "best class" in err) == (0, True, False)
    assert json.loads((tmp_path / "resnet18.manifest.json").read_text())["quantization"]["top1_agreement"] is None
    code, _, err = cli("build", *maps, "--precision", "fp16", "--force")
    assert (code, "signal to noise of stage1 " in err, "best class" in err) == (0, True, False)


# --- variances below zero ---------------------------------------------------------------


@pytest.mark.parametrize("variance", [-1.0, -1e-5, -2e-5, -0.9e-5, 0.0, 1.0])
def test_variances_without_a_root_are_told(cli, tmp_path, variance):
    """Compared with what comes out: NaN or infinity exactly where it is reported."""
    weights = with_variance(tmp_path / "w.safetensors", variance, 1e-5)
    command = options("resnet18", "--weights", weights, "-o", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, err = cli("build", *command)
    (values,) = open_file("onnxruntime", tmp_path / "resnet18.onnx").run(np.ones((1, 3, 16, 16), np.float32)).values()
    told = f"{weights}: 7 norms with variances below zero, which have no root: 'bn1', 'layer1.0.bn1', "
    assert code == 0
    assert (told in err) == (variance + 1e-5 <= 0 or np.isnan(values).any())
    assert told in err or np.isfinite(values).all()


def test_variances_beyond_a_type_are_not_said_to_vanish(tmp_path):
    loaded, weights = load_spec("resnet18", SETTINGS), with_variance(tmp_path / "w.safetensors", 1e8, 1e-5)
    with pytest.raises(Refused, match=r"'bn1': variances of 32 channels with eps 1e-05 are beyond float16\n"):
        emit_onnx(loaded, precision="fp16", weights=weights)

"""Models on ONNX Runtime and OpenVINO for real, and engines on a stand-in for a GPU."""

import sys

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from resnet_gen.build.build import build
from resnet_gen.build.output_kinds import LIBRARIES
from resnet_gen.build.request import Request
from resnet_gen.engine import runtimes
from resnet_gen.engine.base import Tuning
from resnet_gen.engine.names import RUNTIMES
from resnet_gen.engine.runtimes import open_file
from resnet_gen.engine.tensorrt import BACKENDS
from resnet_gen.engine.tensorrt_run import open_engine
from resnet_gen.language.load import load
from resnet_gen.problems import Refused
from tests.fixtures import fake_gpu
from tests.helpers.onnx_runs import TINY

TYPES = {
    "float32": (TensorProto.FLOAT, np.float32),
    "float16": (TensorProto.FLOAT16, np.float16),
    "bfloat16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
}
CPU = ("onnxruntime", "openvino")


@pytest.fixture(params=CPU)
def cpu(request):
    """Each of the runtimes that need no GPU, where it is installed."""
    pytest.importorskip(request.param, reason=f"{request.param} is not installed", exc_type=ImportError)
    return request.param


def image(batch=2, side=4):
    return np.random.default_rng(0).standard_normal((batch, 3, side, side), np.float32)


def typed(folder, kind, out=None, batch="N"):
    """A file that sums each image of type `kind`, and puts it out as type `out`."""
    onnx_type, numpy_type = TYPES[kind]
    out = out or kind
    steps = [helper.make_node("Flatten", ["image"], ["flat"])]
    weights = []
    if kind == "bfloat16" or out != kind:  # ONNX Runtime has no bfloat16 kernels on the CPU, but for conversions
        steps.append(helper.make_node("Cast", ["flat"], ["sums"], to=TYPES[out][0]))
    else:
        weights.append(numpy_helper.from_array(np.ones((48, 1), numpy_type), "ones"))
        steps.append(helper.make_node("MatMul", ["flat", "ones"], ["sums"]))
    graph = helper.make_graph(
        steps,
        "typed",
        [helper.make_tensor_value_info("image", onnx_type, (batch, 3, 4, 4))],
        [helper.make_tensor_value_info("sums", TYPES[out][0], (batch, None))],
        weights,
    )
    path = folder / "typed.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


# --- the CPU ----------------------------------------------------------------


def test_the_names_of_the_runtimes_are_one_list():
    assert tuple(BACKENDS) == LIBRARIES
    assert set(BACKENDS) < set(RUNTIMES)


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_images_of_each_type_are_fed_and_read(cpu, tmp_path, kind):
    runner = open_file(cpu, typed(tmp_path, kind))
    assert (runner.input, runner.shape, runner.dtype.name) == ("image", (None, 3, 4, 4), kind)
    x = image()
    sums = runner.run(x)["sums"]
    assert sums.dtype == TYPES[kind][1]
    np.testing.assert_allclose(sums[:, 0], x.sum(axis=(1, 2, 3)), atol={"float32": 1e-4, "float16": 0.1}[kind])


@pytest.mark.parametrize(("kind", "out"), [("bfloat16", "bfloat16"), ("bfloat16", "float32"), ("float32", "bfloat16")])
def test_bfloat16_goes_in_and_comes_out_as_float32(cpu, tmp_path, kind, out):
    runner = open_file(cpu, typed(tmp_path, kind, out))
    assert runner.dtype.name == kind
    x = image()
    found = runner.run(x)["sums"]
    assert found.dtype == np.float32
    rounded = x.astype(ml_dtypes.bfloat16).astype(np.float32).reshape(2, -1)
    assert (rounded != x.reshape(2, -1)).any()
    # OpenVINO cuts digits off where it converts from float32, ONNX Runtime rounds.
    np.testing.assert_allclose(found, rounded, rtol=2**-7 if kind == "float32" else 0)


def test_the_runtimes_agree_on_a_network_and_find_its_spec(tmp_path):
    pytest.importorskip("openvino", reason="openvino is not installed", exc_type=ImportError)
    build(load("cifar-resnet20"), Request(), tmp_path)
    first, second = (open_file(name, tmp_path / "cifar-resnet20.onnx") for name in CPU)
    x = image(side=32)
    a, b = first.run(x)["logits"], second.run(x)["logits"]
    np.testing.assert_allclose(a, b, atol=5e-5 * np.abs(a).max())
    assert first.metadata == second.metadata
    assert (first.outputs, first.input, first.shape) == (second.outputs, second.input, second.shape)


def test_the_outputs_of_a_run_stay_when_the_next_one_is_made(cpu, tmp_path):
    runner = open_file(cpu, typed(tmp_path, "float32"))
    first = runner.run(image())["sums"]
    before = first.copy()
    runner.run(image() + 1)
    np.testing.assert_array_equal(first, before)


def test_threads_and_precision_are_asked_of_openvino(tmp_path):
    pytest.importorskip("openvino", reason="openvino is not installed", exc_type=ImportError)
    path = typed(tmp_path, "float32")
    runner = open_file("openvino", path, tuning=Tuning(threads=1, precision_hint="f32"))
    assert (runner.runtime["threads"], runner.runtime["precision"]) == ("1", "f32")
    assert open_file("openvino", path, tuning=Tuning(precision_hint="bf16")).runtime["precision"] in ("bf16", "f32")


def test_threads_are_asked_of_onnx_runtime_and_rest_between_turns(tmp_path, monkeypatch):
    import onnxruntime

    made = []
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *a, **k: made.append(a[1]) or session(*a, **k))
    path = typed(tmp_path, "float32")
    for tuning in (Tuning(threads=3, takes_turns=True), Tuning()):
        open_file("onnxruntime", path, tuning=tuning)
    assert [o.intra_op_num_threads for o in made] == [3, 0]
    for asked in made:  # float32 stays float32 on Arm too
        assert asked.get_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16") == "0"
    assert made[0].get_session_config_entry("session.force_spinning_stop") == "1"
    with pytest.raises(RuntimeError):
        made[1].get_session_config_entry("session.force_spinning_stop")


@pytest.mark.parametrize("data", [b"name: x\n", bytes(100)], ids=["text", "zeros"])
def test_damaged_files_are_refused_in_the_runtime_s_words(cpu, tmp_path, data, capfd):
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    with pytest.raises(Refused, match=r"a\.onnx: error: .* declines it: .+"):
        open_file(cpu, path)
    assert capfd.readouterr().err == "", "nothing is printed beside the refusal"


def test_a_model_of_no_image_and_a_batch_that_fails_are_refused(cpu, tmp_path):
    runner = open_file(cpu, typed(tmp_path, "float32", batch=2))
    with pytest.raises(Refused, match=r"typed\.onnx: error: .* cannot run it: "):
        runner.run(image(3))
    model = onnx.load(tmp_path / "typed.onnx")
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    model.graph.node[1].op_type = "Cast"
    del model.graph.node[1].input[1:]
    model.graph.node[1].attribute.append(helper.make_attribute("to", TensorProto.FLOAT))
    onnx.save(model, tmp_path / "typed.onnx")
    with pytest.raises(Refused, match=r"not a network with one image as its input\nhint: one input of 4 dimensions"):
        open_file(cpu, tmp_path / "typed.onnx")


def test_a_runtime_that_is_not_installed_is_refused_with_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(Refused, match=r"openvino cannot be loaded: .*\nhint: pip install 'resnet-gen\[openvino\]'"):
        open_file("openvino", typed(tmp_path, "float32"))


@pytest.mark.parametrize(
    ("runtime", "name", "tuning", "words"),
    [
        ("onnxruntime", "missing.onnx", Tuning(), "there is no such file"),
        ("tensorrt", "a.onnx", Tuning(), "tensorrt runs engines alone\nhint: resnet-gen build SPEC --target tensorrt"),
        ("openvino", "a.engine", Tuning(), "openvino runs no engines\nhint: it runs on tensorrt-rtx or tensorrt"),
        ("onnxruntime", "a.onnx", Tuning(precision_hint="f16"), "--precision-hint means nothing for onnxruntime"),
        ("tensorrt", "a.engine", Tuning(threads=2), "--threads means nothing for tensorrt, which runs on the GPU"),
    ],
)
def test_a_file_or_an_option_that_a_runtime_has_no_use_for_is_refused(tmp_path, runtime, name, tuning, words):
    for file in ("a.onnx", "a.engine"):
        (tmp_path / file).write_bytes(b"")
    with pytest.raises(Refused) as caught:
        open_file(runtime, tmp_path / name, tuning=tuning)
    assert words in str(caught.value)


# --- engines ----------------------------------------------------------------


@pytest.fixture
def gpu(monkeypatch):
    """`import tensorrt` and CUDA's bindings find the stand-in."""
    monkeypatch.setitem(sys.modules, "tensorrt", fake_gpu)
    monkeypatch.setattr("resnet_gen.engine.tensorrt_run._load_bindings", lambda: fake_gpu)
    for name, value in {"driver": 0, "devices": 1, "runs": True, "allocates": True}.items():
        monkeypatch.setattr(fake_gpu.MODE, name, value)
    monkeypatch.setattr(fake_gpu.MODE, "memory", {})
    monkeypatch.setattr(fake_gpu.MODE, "freed", [])
    return fake_gpu


@pytest.fixture
def engine(gpu, tmp_path):
    """Writes an engine and opens it."""

    def opened(data=None, **changes):
        path = tmp_path / "net.engine"
        path.write_bytes(gpu.engine_bytes(**changes) if data is None else data)
        return open_file("tensorrt", path)

    return opened


def test_an_engine_runs_and_says_what_it_takes(engine):
    runner = engine()
    assert (runner.input, runner.outputs, runner.shape) == ("image", ("scores",), (None, 3, 4, 4))
    assert runner.bounds == ((1, 3, 4, 4), (4, 3, 4, 4))
    assert runner.runtime == {"library": "tensorrt", "version": "11.0.0"}
    x = image()
    np.testing.assert_allclose(runner.run(x)["scores"], x.mean(axis=(2, 3)), rtol=1e-5)


@pytest.mark.parametrize(("dtype", "out"), [("HALF", "HALF"), ("BF16", "BF16"), ("FLOAT", "INT64")])
def test_an_engine_s_types_are_fed_and_read(engine, dtype, out):
    runner = engine(dtype=dtype, out=out)
    x = image()
    found = runner.run(x)["scores"]
    assert found.dtype.name == {"HALF": "float16", "BF16": "float32", "INT64": "int64"}[out]
    expected = x.mean(axis=(2, 3)).astype(np.int64) if out == "INT64" else x.mean(axis=(2, 3))
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_memory_on_the_gpu_is_kept_and_grows_with_the_batch(engine, gpu):
    runner = engine()
    for batch in (1, 1, 4, 2):
        runner.run(image(batch))
    assert sorted(gpu.MODE.freed) == [12, 192]  # of batch 1
    assert sorted(map(len, gpu.MODE.memory.values())) == [48, 768]


def test_a_batch_outside_the_profile_is_refused_before_it_is_run(engine):
    words = r"net\.engine: error: its profile goes from 1x3x4x4 to 4x3x4x4, and 5x3x4x4 lies outside"
    with pytest.raises(Refused, match=words):
        engine().run(image(5))


def test_an_engine_of_one_shape_has_no_bounds(engine):
    runner = engine(shape=(2, 3, 4, 4), profile=None)
    assert (runner.shape, runner.bounds) == ((2, 3, 4, 4), None)


@pytest.mark.parametrize(
    ("mode", "value", "words"),
    [
        ("runs", False, "net.engine: error: cannot be run: an illegal memory access was encountered"),
        ("allocates", False, "net.engine: error: cannot be run: cudaMalloc: out of memory"),
    ],
)
def test_what_fails_on_the_gpu_is_refused_with_the_reason(engine, gpu, monkeypatch, mode, value, words):
    runner = engine()
    monkeypatch.setattr(gpu.MODE, mode, value)
    with pytest.raises(Refused) as caught:
        runner.run(image())
    assert str(caught.value).endswith(words)


@pytest.mark.parametrize(
    ("mode", "value", "words"),
    [
        (
            "driver",
            35,
            "error: no GPU can be used: CUDA driver version is insufficient\nhint: an engine runs on",
        ),
        ("devices", 0, "error: no GPU can be used: there is none\nhint: an engine runs on an NVIDIA"),
    ],
)
def test_without_a_gpu_the_reason_is_told(engine, gpu, monkeypatch, mode, value, words):
    monkeypatch.setattr(gpu.MODE, mode, value)
    with pytest.raises(Refused) as caught:
        engine()
    assert str(caught.value).startswith(words)
    with pytest.raises(Refused):
        runtimes.require_gpu("tensorrt")
    runtimes.require_gpu("openvino")


def test_what_is_no_engine_of_an_image_is_refused(engine):
    with pytest.raises(Refused, match="tensorrt declines it: magic tag does not match\nhint: an engine runs"):
        engine(b"not an engine")
    for changes in ({"shape": (1, 3)}, {"dtype": "INT64"}, {"inputs": ["image", "mask"]}):
        with pytest.raises(Refused, match="not a network with one image as its input"):
            engine(**changes)


def test_bindings_that_are_not_installed_are_refused_with_how_to_install_them(monkeypatch, tmp_path, gpu):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "tensorrt", fake_gpu)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    (tmp_path / "a.engine").write_bytes(fake_gpu.engine_bytes())
    with pytest.raises(Refused, match=r"CUDA's bindings cannot be loaded: .*\nhint: pip install 'resnet-gen\[cuda\]'"):
        open_engine(BACKENDS["tensorrt"], tmp_path / "a.engine")


def test_an_engine_that_cannot_be_read_is_refused(gpu, tmp_path):
    with pytest.raises(Refused, match=r"nope\.engine: error: cannot be read: No such file"):
        open_engine(BACKENDS["tensorrt"], tmp_path / "nope.engine")


def test_tensorrt_rtx_tells_damage_without_a_gpu_and_the_bindings_say_that_there_is_none(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this system", exc_type=ImportError)
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    if not int(runtime.cudaGetDeviceCount()[0]):
        pytest.skip("there is a GPU, and this is about a machine without one")
    path = build(load(str(TINY)), Request("tensorrt-rtx", "fp32", (86,)), tmp_path)[1]
    with pytest.raises(Refused, match=r"no GPU can be used: \w+"):
        open_file("tensorrt-rtx", path)
    path.write_bytes(bytes(100) + path.read_bytes()[100:])
    with pytest.raises(Refused, match=r"\.engine: error: not an engine of tensorrt-rtx, or damaged"):
        open_file("tensorrt-rtx", path)

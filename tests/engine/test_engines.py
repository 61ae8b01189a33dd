"""Real TensorRT-RTX builds on a machine without a GPU, and the same code path for `tensorrt`."""

import hashlib
import io
import itertools
import json
import signal
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from resnet_gen.build import passes as module
from resnet_gen.build.build import build, onnx_file
from resnet_gen.build.passes import prepare
from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.cli import main
from resnet_gen.engine import tensorrt
from resnet_gen.engine.interrupts import DeferredSignals
from resnet_gen.engine.tensorrt import BACKENDS, Profile, known_targets, parsed_layers
from resnet_gen.graph.counts import count
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.witness import FileLayer, WitnessError, list_layers
from resnet_gen.ops import Quantize
from resnet_gen.ops.precision import PRECISIONS, Calibration, explain_too_old
from resnet_gen.problems import Refused
from tests.fixtures import fake_tensorrt
from tests.helpers.onnx_runs import TINY
from tests.helpers.varied import spread

RTX = BACKENDS["tensorrt-rtx"]
TARGETS = (75, 86, 89, 120)
DEPTHS = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
SHALLOW = "stages.depths=[1, 1, 1, 1]"
QUICK = {*(("resnet18", precision) for precision in PRECISIONS), ("resnet50", "fp16")}
"""Builds of both kinds of block and every precision; `make test-all` adds the others, of up to 19 s each."""
BYTES = {"fp32": 4, "fp16": 2}
SIZES = {"fp32": (3.9, 4.6), "fp16": (1.9, 2.3), "bf16": (1.9, 2.3), "int8": (1.0, 2.3), "fp8": (1.0, 2.3)}
"""Bytes of engine for each parameter; TensorRT stores some layers of an engine in eight bits, others wider."""


@pytest.fixture
def rtx():
    return pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this system", exc_type=ImportError)


def small(name, *settings):
    return load(str(name), ("input.size=64", *settings))


def engine(loaded, folder, targets, precision="fp32", **options):
    """Builds an engine; its bytes and the manifest."""
    *_, path, manifest = build(loaded, Request("tensorrt-rtx", precision, targets, **options), folder)
    return path.read_bytes(), json.loads(manifest.read_text())


def refusal(*args, **kwargs):
    with pytest.raises(Refused) as caught:
        build(*args, **kwargs)
    return str(caught.value)


def written(loaded, request, path):
    """The network's ONNX file at `path`, and its graph."""
    network = prepare(loaded, request)
    path.write_bytes(b"".join(onnx_file(loaded, network, request).chunks()))
    return network.graph


def parsed(trt, path):
    """The layers of a file as TensorRT's parser sees them."""
    log = trt.Logger(trt.Logger.ERROR)
    network = trt.Builder(log).create_network(0)
    assert trt.OnnxParser(network, log).parse_from_file(str(path))
    return parsed_layers(trt, network)


# --- real builds ------------------------------------------------------------


def typed(precision, targets, images=1):
    """A request for an engine in any precision, calibrated with noise."""
    calibration = Calibration("random", images) if precision in ("int8", "fp8") else None
    return resolve_request(BuildWishes(None, "tensorrt-rtx", precision, targets, calibration=calibration))


def allowed(precision):
    return tuple(n for n in TARGETS if not explain_too_old(precision, divmod(n, 10)))


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param(name, precision, marks=() if (name, precision) in QUICK else pytest.mark.long)
        for name in DEPTHS
        for precision in PRECISIONS
    ],
)
def test_every_depth_builds_in_every_precision_for_all_generations_that_have_it(rtx, tmp_path, name, precision):
    loaded, targets = load(name), allowed(precision)
    *_, path, written_manifest = build(loaded, typed(precision, targets), tmp_path)
    data, manifest = path.read_bytes(), json.loads(written_manifest.read_text())
    params = count(lower(loaded)).params
    assert SIZES[precision][0] < len(data) / params < SIZES[precision][1]
    file = f"{name}.{precision}{''.join(f'.sm{n}' for n in targets)}.engine"
    assert manifest["engine"] == {
        "file": file,
        "sha256": hashlib.sha256(data).hexdigest(),
        "library": "tensorrt-rtx",
        "version": rtx.__version__,
        "compute_capabilities": [f"{n // 10}.{n % 10}" for n in targets],
        "batch": [1, 8, 32],
        "tf32": False,
    }
    assert manifest["files"][file] == manifest["engine"]["sha256"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*manifest["files"], f"{name}.manifest.json"])


def test_the_pairs_that_are_built_and_those_that_are_refused():
    assert {precision: allowed(precision) for precision in PRECISIONS} == {
        "fp32": (75, 86, 89, 120),
        "fp16": (75, 86, 89, 120),
        "bf16": (86, 89, 120),
        "int8": (75, 86, 89, 120),
        "fp8": (89, 120),
    }


@pytest.mark.parametrize(
    ("precision", "target"), [(p, n) for p in PRECISIONS for n in TARGETS if explain_too_old(p, divmod(n, 10))]
)
def test_tensorrt_itself_declines_the_pairs_that_we_refuse(rtx, tmp_path, precision, target):
    """Forced past our own refusal, which is therefore not too strict."""
    with pytest.raises(Refused, match=f"--precision {precision}: not for SM {target}: "):
        typed(precision, (target,))
    request = replace(typed(precision, ()), compute_capabilities=(target,))
    assert f"Cannot compile for target(s) sm{target}" in refusal(small("resnet18"), request, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("precision", "target"), spread([(p, n) for p in PRECISIONS for n in TARGETS if n in allowed(p)], 7)
)
def test_each_generation_builds_alone(rtx, tmp_path, target, precision):
    *_, manifest = build(small("resnet18", SHALLOW), typed(precision, (target,)), tmp_path)
    engine = json.loads(manifest.read_text())["engine"]
    assert engine["file"] == f"resnet18.{precision}.sm{target}.engine"
    assert engine["compute_capabilities"] == [f"{target // 10}.{target % 10}"]


KINDS = {
    "resnext50_32x4d": ("input.size=64", SHALLOW),
    "seresnet50": ("input.size=64", SHALLOW),
    "preact110": ("stages.depths=[2, 2, 2]",),
    "highway-b": (),
    "res2net50_26w_4s": ("input.size=64", SHALLOW),
    "vgg11_bn": ("input.size=64", "head={kind: mlp, pool: 2, hidden: [24], classes: 5}"),
}


@pytest.mark.parametrize(("name", "precision"), spread(itertools.product(KINDS, ["int8", "fp8"]), 4))
def test_networks_of_every_kind_build_in_eight_bits(rtx, tmp_path, name, precision):
    *_, path, _ = build(load(name, KINDS[name]), typed(precision, allowed(precision)), tmp_path)
    assert path.stat().st_size


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", "bfloat16"), ("int8", "float16"), ("fp8", "float16")])
@pytest.mark.parametrize("name", ["resnet18", pytest.param("resnet50", marks=pytest.mark.long)])
def test_the_parsed_network_is_the_graph_in_every_type(rtx, tmp_path, name, precision, dtype):
    """Q/DQ too: as many as the graph has, and TensorRT's convolutions read what comes out of DQ."""
    graph = written(small(name, SHALLOW), typed(precision, (120,)), tmp_path / "net.onnx")
    assert parsed(rtx, tmp_path / "net.onnx") == list_layers(graph)
    assert {layer.dtype for layer in list_layers(graph)} == {dtype}
    log = rtx.Logger(rtx.Logger.ERROR)
    network = rtx.Builder(log).create_network(0)
    rtx.OnnxParser(network, log).parse_from_file(str(tmp_path / "net.onnx"))
    kinds = Counter(network.get_layer(i).type for i in range(network.num_layers))
    stored = sum(bool(getattr(n.op, "stored", None)) for n in graph.nodes)
    activations = sum(isinstance(n.op, Quantize) for n in graph.nodes)
    assert kinds[rtx.LayerType.QUANTIZE] == activations
    assert kinds[rtx.LayerType.DEQUANTIZE] == activations + stored
    assert (precision == "bf16") == (stored == 0)


def test_engines_for_other_generations_and_precisions_are_others(rtx, tmp_path):
    asked = [((86,), "fp32"), ((89,), "fp32"), ((86, 89), "fp32"), ((86,), "fp16")]
    data = [engine(small("resnet18", SHALLOW), tmp_path / str(i), *request)[0] for i, request in enumerate(asked)]
    assert len(set(data)) == len(asked)


def test_a_build_is_checked_by_what_made_it_since_tensorrt_s_own_bytes_vary(rtx, tmp_path, capsys):
    command = ["build", "cifar-resnet20", "--target", "tensorrt-rtx", "--sm", "86", "-o", str(tmp_path)]

    def code(*more):
        with pytest.raises(SystemExit) as left:
            main([*command, *more])
        return left.value.code

    assert code() == 0
    assert [code("--check") for _ in range(2)] == [0, 0]
    assert code("--check", "--precision", "fp16") == 1
    (tmp_path / "cifar-resnet20.fp32.sm86.engine").write_bytes(b"another")
    capsys.readouterr()
    assert code("--check") == 1
    assert capsys.readouterr().out == f"{tmp_path / 'cifar-resnet20.fp32.sm86.engine'}: differs\n"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cifar-resnet20", ()),
        ("cifar-resnet20", ("activation=silu",)),
        ("cifar-resnet20", ("activation=leaky_relu", "head.softmax=true")),
        ("highway-c", ()),
        ("preact110", ("stages.depths=[2, 2, 2]",)),
        ("cifar-resnet20", ("stages.shortcut={kind: gated, carry: independent}", "activation=tanh")),
        ("vgg11", ("head={kind: mlp, pool: 1, hidden: [32], classes: 10}",)),
        ("vgg11", ("head={kind: mlp, pool: 2, hidden: [32], classes: 10}", "input.size=128")),
    ],
)
@pytest.mark.parametrize("precision", BYTES)
def test_every_kind_of_operation_builds(rtx, tmp_path, name, settings, precision):
    data, _ = engine(small(name, *settings), tmp_path, TARGETS, precision)
    assert data


def test_an_engine_on_disk_is_whole_and_a_damaged_one_is_known(rtx, tmp_path):
    data, _ = engine(small("resnet18"), tmp_path, (86,))
    runtime = rtx.Runtime(rtx.Logger(rtx.Logger.INTERNAL_ERROR))
    damaged = bytes(100) + data[100:]
    corrupt = 32  # the diagnostic bit for data that is no engine; 0 where only the GPU is missing
    assert runtime.get_engine_validity(data)[1] & corrupt == 0
    assert runtime.get_engine_validity(damaged)[1] & corrupt


# --- the parser as a witness -------------------------------------------------


@pytest.mark.parametrize("fold", [False, True], ids=["kept", "folded"])
@pytest.mark.parametrize("precision", BYTES)
@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet50",
        *(pytest.param(n, marks=pytest.mark.long) for n in DEPTHS if n not in ("resnet18", "resnet50")),
        "cifar-resnet20",
        "highway-b",
        "preact164",
    ],
)
def test_the_parsed_network_has_our_layers_names_shapes_and_types(rtx, tmp_path, name, precision, fold):
    graph = written(small(name), Request(precision=precision, fold=fold), tmp_path / "net.onnx")
    found = parsed(rtx, tmp_path / "net.onnx")
    assert found == list_layers(graph)
    assert {layer.dtype for layer in found} == {{"fp32": "float32", "fp16": "float16"}[precision]}


def test_the_parsed_network_of_resnet50_in_words(rtx, tmp_path):
    written(load("resnet50"), Request(), tmp_path / "net.onnx")
    found = parsed(rtx, tmp_path / "net.onnx")
    assert len(found) == 53 + 1
    assert found[0] == FileLayer("conv1", "conv", (64, 112, 112), "float32")
    assert found[4] == FileLayer("layer1.0.downsample.0", "conv", (256, 56, 56), "float32")
    assert found[-1] == FileLayer("fc", "linear", (1000,), "float32")


def test_for_turing_the_linear_layer_is_a_convolution_in_float32_alone(rtx, tmp_path):
    for precision, kind, shape in (("fp32", "conv", (1000, 1, 1)), ("fp16", "linear", (1000,))):
        path = tmp_path / f"{precision}.onnx"
        written(small("resnet18"), Request("tensorrt-rtx", precision, (75,)), path)
        last = parsed(rtx, path)[-1]
        assert (last.name, last.kind, last.shape) == ("fc", kind, shape)


def test_a_file_that_is_not_the_graph_is_never_built(rtx, tmp_path):
    graph = written(small("resnet18"), Request(), tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    next(n for n in model.graph.node if n.name == "layer2.0.conv1").name = "other"
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(WitnessError, match=r"tensorrt-rtx's parsed network: layer 5 is Layer\(name='other'"):
        tensorrt.build(RTX, tmp_path / "net.onnx", graph, profile=Profile(1, 1, 1), compute_capabilities=(86,))


# --- batches ----------------------------------------------------------------


def test_a_range_of_batches_is_the_engine_s_profile(rtx, tmp_path):
    batches = [BuildBatch(profile=Profile(1, 2, 4)), BuildBatch(profile=Profile(1, 4, 4)), BuildBatch(2)]
    built = [engine(small("resnet18"), tmp_path / str(i), (86,), batch=b) for i, b in enumerate(batches)]
    assert [manifest["engine"]["batch"] for _, manifest in built] == [[1, 2, 4], [1, 4, 4], 2]
    assert [manifest["inputs"]["input"]["shape"][0] for _, manifest in built] == ["N", "N", 2]
    assert len({data for data, _ in built}) == 3


def test_a_symbolic_batch_without_a_profile_is_declined_in_tensorrt_s_words(rtx, tmp_path):
    graph = written(small("resnet18"), Request(), tmp_path / "net.onnx")
    with pytest.raises(Refused, match="no optimization profile has been defined"):
        tensorrt.build(RTX, tmp_path / "net.onnx", graph, profile=None, compute_capabilities=(86,))


# --- refusals ---------------------------------------------------------------


def test_what_tensorrt_declines_is_told_in_its_own_words_and_nothing_is_written(rtx, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_needs_conv_for_linear", lambda request: False)
    message = refusal(small("resnet18"), Request("tensorrt-rtx", "fp32", (75,)), tmp_path / "out")
    assert message.startswith("error: tensorrt-rtx could not build the engine: ")
    assert "Cannot compile operation 'fc' for Turing (SM75): FP32 GEMM is not supported" in message
    assert not (tmp_path / "out").exists()


def test_a_file_that_tensorrt_cannot_read_is_told_in_its_own_words(rtx, tmp_path):
    graph = lower(small("resnet18"))
    with pytest.raises(Refused, match=r"missing\.onnx: error: tensorrt-rtx: .*Input file cannot be found"):
        tensorrt.build(RTX, tmp_path / "missing.onnx", graph, profile=None)


def test_the_library_says_what_it_can_build_for(rtx):
    assert set(TARGETS) <= set(known_targets(RTX))
    assert 90 not in known_targets(RTX)


@pytest.mark.parametrize("target", [0, 7, 61, 90, 99999])
def test_an_unknown_compute_capability_is_refused_with_the_known_ones(rtx, tmp_path, target):
    message = refusal(small("resnet18"), Request("tensorrt-rtx", "fp32", (86, target)), tmp_path / "out")
    assert f"tensorrt-rtx cannot build for SM {target}\nhint: it knows 75, " in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", BACKENDS)
def test_a_missing_library_is_refused_with_how_to_install_it(monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, BACKENDS[name].module, None)
    message = refusal(load(str(TINY)), Request(name), tmp_path / "out")
    assert f"error: {name} cannot be loaded: " in message
    assert f"hint: {BACKENDS[name].install}" in message
    assert not (tmp_path / "out").exists()


def test_a_library_that_is_there_but_broken_is_refused_too(monkeypatch, tmp_path):
    (tmp_path / "tensorrt.py").write_text('raise OSError("libnvinfer.so.11: cannot open shared object file")')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    message = refusal(load(str(TINY)), Request("tensorrt"), tmp_path / "out")
    assert "tensorrt cannot be loaded: libnvinfer.so.11: cannot open" in message


# --- progress and interruption -----------------------------------------------


def test_progress_is_told_in_phases_that_begin_advance_and_end(rtx, tmp_path):
    told = []
    build(
        small("resnet18"), Request("tensorrt-rtx", "fp32", (86,)), tmp_path, progress=lambda *t: told.append(t) or True
    )
    phase, done, steps = told[0]
    assert done == 0
    assert steps > 1
    assert told[-1] == (phase, steps, steps)
    assert all(0 <= done <= steps for _, done, steps in told)


def test_a_progress_that_returns_false_cancels_and_leaves_nothing(rtx, tmp_path):
    told = []

    def twice(*step):
        told.append(step)
        return len(told) < 3

    with pytest.raises(Refused, match=r"tensorrt-rtx could not build the engine: .*Build canceled by user"):
        build(small("resnet50"), Request("tensorrt-rtx", "fp32", (86,)), tmp_path / "out", progress=twice)
    assert not (tmp_path / "out").exists()
    assert len(told) < 10


def test_an_interruption_inside_tensorrt_ends_the_build(rtx, tmp_path):
    told = []

    def interrupt(*step):
        told.append(step)
        if len(told) == 3:
            signal.raise_signal(signal.SIGINT)
        return True

    with pytest.raises(KeyboardInterrupt):
        build(small("resnet50"), Request("tensorrt-rtx", "fp32", (86,)), tmp_path / "out", progress=interrupt)
    assert not (tmp_path / "out").exists()
    assert len(told) < 10
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_deferred_signals_come_when_the_context_is_left_once_each():
    came = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    with DeferredSignals() as signals:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert (came, signals.pending) == ([], [signal.SIGINT] * 2)
    signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert came == [signal.SIGINT] * 2


def test_signals_are_left_alone_outside_the_main_thread():
    before = signal.getsignal(signal.SIGINT)
    inside = []

    def work():
        with DeferredSignals():
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]


# --- tensorrt, by a stand-in -------------------------------------------------


@pytest.fixture
def fake(monkeypatch):
    """`import tensorrt` finds the stand-in."""
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt)
    for name in ("flags", "profiles", "configs"):
        monkeypatch.setattr(fake_tensorrt.MODE, name, [])
    return fake_tensorrt


@pytest.mark.parametrize("precision", BYTES)
def test_tensorrt_is_driven_by_the_same_code_for_the_gpu_at_hand(fake, tmp_path, precision):
    paths = build(load(str(TINY)), Request("tensorrt", precision), tmp_path)
    assert [p.name for p in paths] == ["tiny.onnx", f"tiny.{precision}.engine", "tiny.manifest.json"]
    assert paths[1].read_bytes() == b"engine"
    found = json.loads(paths[2].read_text())["engine"]
    assert (found["library"], found["version"], found["compute_capabilities"]) == ("tensorrt", "11.0.0", [])
    assert fake.MODE.profiles == [[{"input": ((1, 1, 8, 8), (8, 1, 8, 8), (32, 1, 8, 8))}]]
    assert fake.MODE.flags == [0]


def test_tensorrt_10_is_asked_for_a_strongly_typed_network(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(fake.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", 1, raising=False)
    build(load(str(TINY)), Request("tensorrt", batch=BuildBatch(2)), tmp_path)
    assert fake.MODE.flags == [1 << 1]
    assert fake.MODE.profiles == [[]]


def test_tensorrt_without_a_gpu_is_refused_in_its_own_words(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(fake.MODE, "gpu", False)
    message = refusal(load(str(TINY)), Request("tensorrt"), tmp_path / "out")
    assert message == "error: tensorrt cannot start: no CUDA-capable device is detected"
    assert not (tmp_path / "out").exists()


def test_tensorrt_s_refusals_are_its_own_words(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(fake.MODE, "builds", False)
    message = refusal(load(str(TINY)), Request("tensorrt"), tmp_path / "out")
    assert message == "error: tensorrt could not build the engine: out of workspace"


def test_each_parser_error_of_tensorrt_is_a_problem(fake, tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text("text")
    with pytest.raises(Refused, match=r"text\.onnx: error: tensorrt: "):
        tensorrt.build(BACKENDS["tensorrt"], path, lower(load(str(TINY))), profile=None)


def test_a_terminal_sees_the_phases_and_stdout_only_paths(fake, tmp_path, capsys, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(SystemExit):
        main(["build", str(TINY), "-o", str(tmp_path), "--target", "tensorrt"])
    assert "tiny: Building" in sys.stderr.getvalue()
    assert [Path(line).name for line in capsys.readouterr().out.splitlines()] == [
        "tiny.onnx",
        "tiny.fp32.engine",
        "tiny.manifest.json",
    ]


def test_the_command_line_builds_with_tensorrt_where_it_is_installed(fake, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["build", str(TINY), "-o", str(tmp_path), "--target", "tensorrt", "--precision", "fp16"])
    assert left.value.code == 0
    assert capsys.readouterr().out.splitlines()[1] == f"{tmp_path}/tiny.fp16.engine"

"""Generated PyTorch where torch is installed: reference outputs, compile and export, layouts, gradients, arguments.

What can be proved without torch is in test_generated_pytorch.py.
"""

import subprocess
import sys
from collections import Counter
from importlib.util import find_spec

import pytest

from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from tests.helpers import pytorch_parity as parity
from tests.helpers.onnx_runs import TOLERANCE, difference
from tests.helpers.parity import SIDES, logits
from tests.helpers.varied import VARIED

torch = pytest.importorskip(
    "torch", reason="torch, which runs what is generated, is not installed", exc_type=ImportError
)
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402 - torch is there

from benchmarks.generated_torch import ours, theirs  # noqa: E402 - the same

pytestmark = [
    pytest.mark.torch,
    # torch's own, while it compiles and exports
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SMALL = {
    "cifar-resnet20": 32,
    "preact110": 32,
    "resnet18": 64,
    "regnet_y_400mf": 64,
    "resnest14d": 64,
    "res2net50_26w_4s": 64,
    "skresnet18": 64,
    "resnetv2_50x1_bit": 64,
    "ecaresnetlight": 64,
    "resnetblur18": 64,
    "cbam-resnet50": 64,
    "vgg11_bn": 224,
    "highway-c": 32,
}
"""One network of each kind, and the side of an image that is quick."""


def network(name, *settings):
    (text,) = generate_files(CodeSubject(load(name, settings)), "pytorch").values()
    return parity.network(text)


@pytest.fixture(params=SMALL)
def small(request):
    torch.manual_seed(0)
    side = SMALL[request.param]
    model = parity.ruled(network(request.param, f"input.size={side}"))
    return model, torch.randn(2, 3, side, side)


@pytest.mark.parametrize("reference", parity.DOZEN)
def test_the_outputs_are_the_references(reference):
    found = parity.outputs(parity.source(reference), SIDES[reference])
    assert difference(found, logits()[reference]) < TOLERANCE


class TestModel:
    def test_channels_last_gives_the_same(self, small):
        model, images = small
        with torch.inference_mode():
            wanted = model(images)
            found = model.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))

    def test_is_exported_whole(self, small):
        model, images = small
        with torch.no_grad():
            exported = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
            more = torch.cat([images, images.flip(0)])
            torch.testing.assert_close(exported.module()(more), model(more))

    def test_every_weight_has_a_finite_gradient(self, small):
        model, images = small
        model.train()
        model(images).square().mean().backward()
        lacking = [name for name, value in model.named_parameters() if value.grad is None]
        assert lacking == []
        assert all(torch.isfinite(value.grad).all() for value in model.parameters())

    def test_does_not_change_what_it_is_given(self, small):
        model, images = small
        before = images.clone()
        with torch.no_grad():
            model(images)
        assert torch.equal(images, before)

    def test_half_precision_runs(self, small):
        model, images = small
        with torch.inference_mode():
            wanted = model(images)
            found = model.bfloat16()(images.bfloat16())
        assert found.dtype == torch.bfloat16
        assert float((found.float() - wanted).abs().max()) < 0.2 * float(wanted.abs().max())


@pytest.mark.parametrize("name", ["cifar-resnet20", "resnest14d"])
def test_is_compiled_without_a_break(name):
    torch._dynamo.reset()
    side = SMALL[name]
    model = parity.ruled(network(name, f"input.size={side}"))
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        found = torch.compile(model, fullgraph=True)(images)
        torch.testing.assert_close(found, model(images), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in SMALL if name != "highway-c"])  # it pools between its stages
def test_has_the_stages_maps(name):
    side = SMALL[name]
    stages = len(load(name).spec.stages.depths or load(name).spec.stages.widths.depths())
    wanted = [f"stage{number}" for number in range(1, stages + 1)]
    graph = lower(load(name, [f"outputs={wanted}", f"input.size={side}"]))
    model = network(name, f"input.size={side}").eval()
    with torch.inference_mode():
        maps = model.forward_features(torch.randn(2, 3, side, side))
    assert [tuple(found.shape[1:]) for found in maps] == [value.shape for value in graph.outputs[:stages]]


def test_stages_maps_are_the_outputs_of_the_spec_that_puts_them_out():
    torch.manual_seed(0)
    whole = parity.ruled(network("resnet18"))
    parts = parity.ruled(network("resnet18", "outputs=[stage2, stage4]"))
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        maps, found = whole.forward_features(images), parts(images)
    assert torch.equal(found[0], maps[1])
    assert torch.equal(found[1], maps[3])
    assert torch.equal(found[2], whole(images))


def test_takes_other_numbers_of_classes_and_channels():
    (text,) = generate_files(CodeSubject(load("resnet18")), "pytorch").values()
    model = parity.network(text, in_channels=1, classes=7).eval()
    with torch.inference_mode():
        assert model(torch.randn(2, 1, 64, 64)).shape == (2, 7)


def test_gates_of_highways_begin_closed():
    model = network("highway-c")
    graph = lower(load("highway-c"))
    wanted = {f"{n.name}.bias": n.op.bias_fill for n in graph.nodes if getattr(n.op, "bias_fill", 0)}
    assert wanted
    parameters = dict(model.named_parameters())
    assert all((parameters[name] == value).all() for name, value in wanted.items())


def test_what_is_saved_for_tests_without_torch_is_what_is_computed_now():
    """The saved outputs are this very source's, or `python -m tests.helpers.pytorch_parity --save` is due."""
    for reference in parity.DOZEN[:3]:
        found = parity.outputs(parity.source(reference), SIDES[reference])
        assert difference(found, parity.saved()[reference]) < 1e-6


def test_mypy_is_content_with_torchs_own_types(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed where torch is: pip install mypy")
    for name in VARIED:
        for file, text in generate_files(CodeSubject(load(name)), "pytorch").items():
            (tmp_path / file).write_text(text)
    flags = ["--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache")]
    found = subprocess.run(
        [sys.executable, "-m", "mypy", *flags, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"no issues found in {len(VARIED)} source files" in found.stdout


class Called(TorchDispatchMode):
    """What torch is asked to compute, in what shapes; whether in place or not, apart."""

    def __init__(self):
        super().__init__()
        self.operations, self.in_place = Counter(), 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        shapes = tuple(sorted(tuple(value.shape) for value in args if isinstance(value, torch.Tensor)))
        self.operations[name.replace("_.", "."), shapes] += 1
        self.in_place += "_." in name
        return function(*args, **(kwargs or {}))


@pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision, which is compared with, is not installed")
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "regnet_y_400mf", "vgg11_bn"])
@pytest.mark.parametrize("training", [False, True])
def test_torch_is_asked_for_no_operation_that_torchvision_does_not_ask_for(name, training):
    """Speed that no clock can tell better; torchvision's VGG has dropout and a pooling of 7x7 to 7x7 beside these."""
    side, found = 224 if name.startswith("vgg") else 64, []
    for make in (ours, theirs):
        model = make(name).train(training)
        images = torch.zeros(2, 3, side, side)
        with Called() as called, torch.set_grad_enabled(training):
            result = model(images)
            if training:
                result.sum().backward()
        found.append(called)
    generated, published = found
    if name.startswith("vgg"):
        assert generated.operations <= published.operations
    else:
        assert generated.operations == published.operations
        assert generated.in_place >= published.in_place

"""Heads of several linear layers: what they pool, activate and count, and how files of them are read."""

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.graph.conventions import CONVENTIONS, count_by_convention
from resnet_gen.graph.counts import count
from resnet_gen.graph.matching import match
from resnet_gen.graph.torch_modules import find_library
from resnet_gen.infer.proof import RecoveredSpec, live
from resnet_gen.infer.search import infer_spec
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower, with_input_size
from resnet_gen.language.notes import notes
from resnet_gen.ops import Activation, GlobalAvgPool
from resnet_gen.problems import Refused
from tests.standin.compare import same
from tests.standin.run import executed, network, traced

ALONE = ("claims=[]", "reference=null")
MLP = "head={kind: mlp, pool: 1, hidden: [256], classes: 7}"
SMALL = ("cifar-resnet20", *ALONE, "stages.depths=[1,1]", "stages.widths=[8,16]", "stages.shortcut=projection")
ACTIVATIONS = st.none() | st.sampled_from(["relu", "tanh", "silu", "gelu", "mish", "hard_swish"]).map(
    lambda kind: {"kind": kind}
) | st.sampled_from([{"kind": "leaky_relu", "slope": 0.25}, {"kind": "elu", "alpha": 0.5}])  # fmt: skip


def spec(*texts):
    return load(texts[0], (*ALONE, *texts[1:]))


@pytest.mark.parametrize(
    ("convention", "wanted"), [("fvcore", 1_818_686_720), ("thop", 1_823_654_656), ("macs", 1_813_694_208)]
)
def test_counters_of_torchvisions_resnet18_with_such_an_fc(convention, wanted):
    """What they print where `fc` is Linear(512, 256), ReLU, Linear(256, 7)."""
    loaded = spec("resnet18", MLP)
    assert count_by_convention(lower(loaded), find_library("torchvision"), CONVENTIONS[convention]).value == wanted


@given(size=st.tuples(st.integers(8, 40), st.integers(8, 40)))
def test_a_head_on_one_value_a_channel_takes_maps_of_any_size(size):
    loaded = load(*SMALL[:1], (*SMALL[1:], MLP))
    graph = lower(with_input_size(loaded, size))
    assert sum(isinstance(node.op, GlobalAvgPool) for node in graph.nodes) == 1
    assert count(graph).params == count(lower(loaded)).params


@pytest.mark.parametrize("name", ["resnet18", "resnet50d", "regnet_y_400mf", "resnetv2_50", "vgg11"])
@pytest.mark.parametrize("size", [(193, 193), (256, 128), (40, 72)])
def test_generated_pytorch_is_the_network_at_other_sizes_too(name, size):
    loaded = spec(name, MLP)
    (text,) = generate_files(CodeSubject(loaded), "pytorch").values()
    same(traced(network(executed(text)), (3, *size)), lower(with_input_size(loaded, size)))


@pytest.mark.parametrize("side", [224, 448, 672])
def test_a_head_on_a_map_of_several_pixels_is_for_the_size_that_the_spec_says(side):
    """Its window is the spec's: a file is for the one size that it says."""
    loaded = load("vgg11", (*ALONE, f"input.size={side}"))
    (text,) = generate_files(CodeSubject(loaded), "pytorch").values()
    assert f"(N, 3, {side}, {side}) to (N, 1000)" in text
    assert (f"nn.AvgPool2d({side // 224})" in text) == (side > 224)
    same(traced(network(executed(text)), (3, side, side)), lower(loaded))
    assert lower(loaded).state().keys() == lower(load("vgg11", ALONE)).state().keys()
    assert count(lower(loaded)).params == count(lower(load("vgg11", ALONE))).params


@pytest.mark.parametrize(("h", "w"), [(224, 448), (448, 224), (448, 672), (672, 448)])
def test_a_map_that_windows_of_two_sides_would_average_is_refused_with_those_sides(h, w):
    with pytest.raises(Refused) as refused:
        lower(load("vgg11", (*ALONE, f"input.size=[{h}, {w}]")))
    message = (
        f"a map of {h // 32}x{w // 32} is averaged to 7x7 by windows of {h // 224}x{w // 224}, and windows are square"
    )
    assert message in refused.value.problems[0].message
    assert "'pool: 1' averages any map" in refused.value.problems[0].hint


@given(size=st.tuples(st.integers(1, 40), st.integers(1, 40)), pool=st.integers(2, 9))
def test_every_map_is_averaged_or_refused_with_a_reason(size, pool):
    h, w = (32 * side for side in size)
    settings = (*ALONE, f"input.size=[{h}, {w}]", f"head={{kind: mlp, pool: {pool}, hidden: [8], classes: 3}}")
    loaded = load("vgg11", settings)
    whole, square = not (size[0] % pool or size[1] % pool), size[0] == size[1]
    if whole and square:
        assert lower(loaded).outputs[0].shape == (3,)
        return
    with pytest.raises(Refused) as refused:
        lower(loaded)
    assert ("windows are square" in refused.value.problems[0].message) == whole


def test_generated_code_sets_no_precision_of_products():
    """docs/generate.md says what PyTorch and JAX do then."""
    for target in ("pytorch", "flax"):
        (text,) = generate_files(CodeSubject(load("resnet18")), target).values()
        assert not [word for word in ("tf32", "TF32", "matmul_precision", "precision=") if word in text]


def test_a_head_may_have_an_activation_of_its_own():
    graph = lower(spec("resnet18", MLP.replace("classes", "activation: {kind: elu, alpha: 0.5}, classes")))
    assert [n.op for n in graph.nodes if isinstance(n.op, Activation) and n.stage == "head"] == [Activation("elu", 0.5)]
    assert Activation("relu") in [n.op for n in graph.nodes if n.stage != "head"]


KNOWN_LATER = """
import resnet_gen.parts.activations.relu
from resnet_gen.parts.heads.mlp import MlpHead
print(MlpHead.model_validate({"kind": "mlp", "activation": "relu"}).activation.kind)
from resnet_gen.language.load import load
print(load("resnet18", ["head={kind: mlp, pool: 1, activation: mish}"]).spec.head.activation.kind)
"""


def test_a_head_that_was_made_before_its_activation_was_imported_may_have_it():
    done = subprocess.run([sys.executable, "-c", KNOWN_LATER], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("relu\nmish\n", "")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    size=st.tuples(st.sampled_from([8, 16, 24]), st.sampled_from([8, 16, 24])),
    pool=st.sampled_from([1, 2, 4, "none"]),
    hidden=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    activation=ACTIVATIONS,
    softmax=st.booleans(),
)
def test_heads_are_recovered_from_a_file(size, pool, hidden, activation, softmax):
    if size[0] != size[1] and pool in (2, 4):
        pool = 1
    if pool in (2, 4) and size[0] // 2 % pool:
        pool = "none"
    own = f", activation: {activation}".replace("'", "") if activation else ""
    head = f"head={{kind: mlp, pool: {pool}, hidden: {hidden}, softmax: {str(softmax).lower()}, classes: 3{own}}}"
    graph = live(lower(load(SMALL[0], (*SMALL[1:], head, f"input.size={list(size)}"))))
    found = infer_spec(graph, "found")
    assert isinstance(found, RecoveredSpec), found
    assert match(live(found.graph), graph).same


def test_a_convolution_behind_an_inherited_activation_is_told(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: regnetz_040\nhead: {features: 100}")
    (note,) = notes(load(str(path)))
    assert str(note).startswith(f"{path}:3:18: note: head.features: its convolution reads the activated map: ")
    assert "stands at specs/regnet/regnetz_040.yaml:14:20" in note.message
    for said in ("{features: 100, activation: true}", "{features: 100, activation: false}", "{classes: 9}"):
        path.write_text(f"name: mine\nextends: regnetz_040\nhead: {said}")
        assert notes(load(str(path))) == []
    assert notes(load(str(path), ["head.features=7"])) != []

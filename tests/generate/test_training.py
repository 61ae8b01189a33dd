"""Settings that only training sees: in generated code alone, where the libraries have them, and nowhere else."""

import json
import re
from dataclasses import replace

import pytest

from resnet_gen import count, emit_onnx
from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.generate.modules.training import find_zero_norms
from resnet_gen.graph import Node
from resnet_gen.graph.fingerprint import fingerprint
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.language.statements import lock_settings
from resnet_gen.language.training_places import TrainingPlaces
from resnet_gen.ops import Activation
from tests.helpers.checked_folder import checked_folder
from tests.standin import nn
from tests.standin.compare import is_the_network, same
from tests.standin.run import FORWARDS, executed, network, traced
from tests.standin.tensor import made

DROPOUT, NORMS = "training.dropout=0.2", "training.zero_init_last_norm=true"
RISING = "training.stochastic_depth.rate=0.1"
EQUAL = "training.stochastic_depth={rate: 0.25, decay: uniform, mode: batch}"
ALL = (DROPOUT, RISING, NORMS)

CASES = {
    "resnet18": ALL,
    "resnet50": (EQUAL, NORMS),
    "cifar-resnet20": (EQUAL, DROPOUT),
    "cbam-resnet50": ALL,
    "seresnet18": ALL,
    "regnet_y_400mf": ALL,
    "regnetz_005": ALL,
    "resnest14d": ALL,
    "skresnet18": ALL,
    "res2net50_14w_8s": ALL,
    "resnetv2_50x1_bit": (DROPOUT, RISING),
    "preact110": (DROPOUT, EQUAL),
    "pyramidnet110_a48": (RISING, NORMS),
    "vgg11_bn": (DROPOUT,),
    "highway-b": (DROPOUT,),
}
"""Networks of each kind of block, head and naming scheme."""
SOME = ["resnet18", "regnetz_005", "vgg11_bn"]
"""Those that `make test` takes; the others need no other code."""


def source(name, settings, to="pytorch"):
    (text,) = generate_files(CodeSubject(load(str(name), settings)), to).values()
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where sources are left, for ruff to read all at the end."""
    yield from checked_folder(tmp_path_factory)


@pytest.mark.parametrize("name", [n if n in SOME else pytest.param(n, marks=pytest.mark.long) for n in CASES])
def test_outside_training_it_is_the_same_network_with_the_same_names(name, folder):
    text = source(name, CASES[name])
    assert max(map(len, text.splitlines())) <= 88
    (folder / f"{name.replace('-', '_')}.py").write_text(text, encoding="utf-8")
    (folder / f"{name.replace('-', '_')}_flax.py").write_text(source(name, CASES[name], "flax"), encoding="utf-8")
    is_the_network(text, load(name))


@pytest.mark.parametrize("name", ["resnet18", pytest.param("vgg11_bn", marks=pytest.mark.long)])
@pytest.mark.parametrize("to", ["pytorch", "flax"])
def test_settings_that_do_nothing_change_no_byte(name, to):
    nothing = ("training.dropout=0", "training.zero_init_last_norm=false")
    assert source(name, ("training={}",), to) == source(name, nothing, to) == source(name, (), to)


def of_class(model, names, kind):
    return [(path, module) for path, module in model.named_modules() if type(module) is names[kind]]


@pytest.mark.parametrize("name", ["resnet18", pytest.param("regnetz_005", marks=pytest.mark.long)])
def test_rates_rise_from_block_to_block_as_in_timm(name):
    names = is_the_network(source(name, (RISING,)), load(name))
    found = of_class(network(names), names, "StochasticDepth")
    graph = lower(load(name))
    blocks = list(dict.fromkeys(node.block for node in graph.nodes if re.fullmatch(r"stages\.\d+\.\d+", node.block)))
    wanted = [0.1 * blocks.index(node.block) / (len(blocks) - 1) for node in TrainingPlaces(graph).residual_sums]
    assert [drop.p for _, drop in found] == pytest.approx(wanted)
    assert {drop.mode for _, drop in found} == {"row"}
    assert found[-1][1].p == pytest.approx(0.1)


def test_equal_rates_are_the_same_in_each_block():
    names = is_the_network(source("resnet18", (EQUAL,)), load("resnet18"))
    found = of_class(network(names), names, "StochasticDepth")
    assert [(drop.p, drop.mode) for _, drop in found] == [(0.25, "batch")] * 8
    assert found[0][0] == "layer1.0.drop_path"


@pytest.mark.parametrize("name", ["resnet18", pytest.param("seresnet18", marks=pytest.mark.long)])
def test_what_is_dropped_is_the_branch_and_what_the_last_layer_reads(name, monkeypatch):
    """Each is made visible as an activation that no network here has."""

    def visible(self, x):
        return made(Activation("tanh"), x, needs_result=True)

    monkeypatch.setattr(nn.Dropout, "forward", visible)
    monkeypatch.setitem(FORWARDS, "StochasticDepth", visible)
    wanted, nodes = lower(load(name)), []
    makers = {node.output.name: node for node in wanted.nodes}
    for node in wanted.nodes:
        own = [v for v in node.inputs if v.name in makers and makers[v.name].block == node.block]
        branch = [v for v in own if makers[v.name].role != "shortcut"] if node.path.endswith(".add") else []
        for value in [*branch, *(node.inputs if node.name == "fc" else [])]:
            seen = value._replace(name=f"{value.name} seen")
            nodes.append(Node(seen.name, seen.name, Activation("tanh"), (value,), seen))
            node = replace(node, inputs=tuple(seen if v == value else v for v in node.inputs))
        nodes.append(node)
    assert len(nodes) == len(wanted.nodes) + 9
    model = network(executed(source(name, (DROPOUT, RISING))))
    same(traced(model, wanted.input.shape), replace(wanted, nodes=tuple(nodes)))


def test_dropout_stands_before_the_last_layer_alone():
    text = source("resnet18", (DROPOUT,))
    assert "self.fc(self.dropout(x))" in text
    assert text.count("Dropout") == 1
    numbered = source("vgg11_bn", (DROPOUT,))
    chain = re.search(r"self\.classifier = nn\.Sequential\((.*?)\n        \)\n", numbered, re.DOTALL)[1]
    assert [line.strip() for line in chain.strip().splitlines()][2:] == [
        "nn.Identity(),", "nn.Linear(4096, 4096),", "nn.ReLU(inplace=True),", "nn.Dropout(0.2),",
        "nn.Linear(4096, classes),",
    ]  # fmt: skip


LAST = {
    "resnet18": r"layer\d\.\d\.bn2",
    "resnet26": r"layer\d\.\d\.bn3",
    "resnet50_gn": r"layer\d\.\d\.bn3",
    "seresnet18": r"layer\d\.\d\.bn2",
    "cbam-resnet50": r"layer\d\.\d\.bn3",
    "res2net50_14w_8s": r"layer\d\.\d\.bn3",
    "resnest14d": r"layer\d\.\d\.bn3",
    "skresnet18": r"layer\d\.\d\.conv2\.bn",
    "skresnet50": r"layer\d\.\d\.conv3\.bn",
    "regnety_002": r"s\d\.b\d+\.conv3\.bn",
    "regnet_y_400mf": r"trunk_output\.block\d\.block\d-\d+\.f\.c\.1",
    "pyramidnet110_a48": r"stages\.\d\.\d+\.norm3",
}
"""The last norm of each block, as torchvision and timm call what they set to zero."""


@pytest.mark.parametrize("name", LAST)
def test_the_last_norm_of_each_branch_is_the_libraries(name):
    graph = lower(load(name))
    found = [node.name for node in TrainingPlaces(graph).last_norms]
    assert found == [node.name for node in graph.nodes if node.tensors and re.fullmatch(LAST[name], node.name)]


@pytest.mark.parametrize(
    "name", ["resnet18", *(pytest.param(name, marks=pytest.mark.long) for name in ("regnet_y_400mf", "skresnet18"))]
)
def test_those_norms_alone_begin_with_weights_of_zero(name):
    names = is_the_network(source(name, (NORMS,)), load(name))
    zero = [path for path, parameter in network(names).named_parameters() if parameter.fill == 0.0]
    assert [path for path in zero if path.endswith(".weight")] == [
        f"{node.name}.weight" for node in TrainingPlaces(lower(load(name))).last_norms
    ]


@pytest.mark.parametrize(
    ("name", "ends"), [("resnet18", [".bn2"]), ("regnet_y_400mf", [".c.1"]), ("skresnet18", [".conv2.bn"])]
)
def test_their_names_end_as_no_other_layers_do(name, ends):
    loaded = load(name, (NORMS,))
    assert find_zero_norms(loaded, lower(loaded)) == ends


def test_nothing_that_is_built_or_counted_differs(tmp_path):
    plain, trained = load("resnet8-digits"), load("resnet8-digits", ALL)
    assert trained.spec.training is not None
    assert emit_onnx(trained, tmp_path / "b.onnx").read_bytes() == emit_onnx(plain, tmp_path / "a.onnx").read_bytes()
    assert (trained.digest(), count(trained)) == (plain.digest(), count(plain))
    assert fingerprint(lower(trained)) == fingerprint(lower(plain))
    for to in ("cpp", "triton"):
        assert generate_files(CodeSubject(trained), to) == generate_files(CodeSubject(plain), to)


def test_the_lock_and_diff_report_a_changed_key(cli):
    assert {
        key: value for key, value in lock_settings(load("resnet18", ALL)).items() if key.startswith("training")
    } == {
        "training.dropout": "0.2",
        "training.stochastic_depth.rate": "0.1",
        "training.stochastic_depth.decay": '"linear"',
        "training.stochastic_depth.mode": '"row"',
        "training.zero_init_last_norm": "true",
    }
    code, out, _ = cli("diff", "resnet18", "--set", DROPOUT, "--format", "json")
    assert code == 1
    assert "training.dropout" in json.dumps(json.loads(out))


def test_the_docstring_says_what_training_does_and_where_it_does_not():
    text = " ".join(source("regnetz_005", ALL).partition('"""\n')[0].split())
    assert "dropout of 0.2 before the last layer" in text
    assert "stochastic depth to 0.1 in the last block, drawn for each image in the 17 of 21 blocks" in text
    assert "weights of the last norm of each branch from 0" in text


@pytest.mark.parametrize(
    ("name", "setting", "why"),
    [
        ("plain18", RISING, "no block adds a branch to a shortcut"),
        ("vgg11_bn", NORMS, "no block adds a branch to a shortcut"),
        ("highway-a", RISING, "no block adds a branch to a shortcut"),
        ("preact110", NORMS, "no branch ends in a norm"),
        ("alphago-zero-20", DROPOUT, "no one last layer"),
    ],
)
def test_what_nothing_heeds_is_refused(cli, name, setting, why):
    code, out, err = cli("count", name, "--set", setting)
    assert (code, out) == (2, "")
    assert "changes nothing" in err
    assert why in err

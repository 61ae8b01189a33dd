"""The lock: what it says, that it reads back as it was written, and that no change of a network escapes it."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.graph.counts import COUNTS, count
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.ops import Activation, ShapeError
from resnet_gen.problems import Refused
from resnet_gen.project import lock
from resnet_gen.project.lock import LockedNetwork, lock_entry, lock_text, read_lock
from resnet_gen.project.lock_changes import differences
from tests.graph.test_fingerprint import other

HERE = Path()
SPEC = """\
name: net
input: {channels: 3, size: 32}
stem: {kind: conv3x3, width: 8}
stages: {depths: [2, 1], widths: [8, 16], block: basic}
head: {kind: linear, classes: 10}
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    """The path of a small spec in the working folder."""
    monkeypatch.chdir(tmp_path)
    path = Path("net.yaml")
    path.write_text(SPEC)
    return path


def entry(path, *settings, graph=None):
    loaded = load(str(path), settings)
    graph = graph or lower(loaded)
    return lock_entry(loaded, graph, count(graph), HERE)


def test_the_lock_of_a_network_is_this_text(net):
    assert lock_text({"net": entry(net)}) == (
        "# What these networks were when `resnet-gen lock` last wrote this; `resnet-gen lock --check` tells what "
        "differs.\n"
        "version = 2\n"
        "\n"
        "[networks.net]\n"
        'spec = "net.yaml"\n'
        "input = [3, 32, 32]\n"
        "outputs = {logits = [10]}\n"
        'settings = {"input.crop" = "0.875", "input.mean" = "[0.485, 0.456, 0.406]", '
        '"input.std" = "[0.229, 0.224, 0.225]"}\n'
        "params = 6450\n"
        "buffers = 176\n"
        "macs = 3498144\n"
        "conv_macs = 3497984\n"
        "macs_and_biases = 3498154\n"
        "layers = 8\n"
        "activations = 53258\n"
        "activations_and_pools = 53258\n"
        'hash = "7a3776d551fbf25fb0071e1bebb7f007ad1d6426c31c568b4b6db14d7f1d22c2"\n'
        'stages.stem = {params = 232, macs = 221184, activations = 8192, hash = "1a9a46c5392b4b5e"}\n'
        "stages.stage1 = {params = 2368, macs = 2359296, activations = 32768"
        ', hash = "118764b6f99d2f69", blocks = "9b5d 5abc"}\n'
        "stages.stage2 = {params = 3680, macs = 917504, activations = 12288"
        ', hash = "00cb9f77c9500efb"}\n'
        'stages.head = {params = 170, macs = 160, activations = 10, hash = "469d8035e1fc7c8b"}\n'
    )


def test_every_count_but_flops_is_locked():
    assert set(lock.COUNTS) == {*COUNTS} - {"flops"}
    assert set(LockedNetwork.model_fields) == {"spec", "input", "outputs", "settings", *lock.COUNTS, "hash", "stages"}


def test_a_lock_reads_back_as_it_was_written_in_the_order_of_names(net):
    networks = {name: entry(name) for name in ("vgg11", "resnet18", "alphago-zero-20")} | {"net": entry(net)}
    text = lock_text(networks)
    Path("x.lock").write_text(text)
    found = read_lock(Path("x.lock"), "x.lock")
    assert found.networks == networks
    assert list(found.networks) == sorted(networks)
    assert lock_text(found.networks) == text
    assert str(found.span("net")) == f"x.lock:{text.splitlines().index('[networks.net]') + 1}:2"
    assert text.isascii()


def test_names_that_toml_has_to_quote_read_back(net):
    strange = 'a "b" \\ \x7f \u0001 \u00e9 \U0001f600'
    before = entry(net).model_copy(update={"outputs": {strange: (3,), "ok": ()}, "spec": f"{strange}.yaml"})
    Path("x.lock").write_text(lock_text({"net": before}), encoding="utf-8")
    assert read_lock(Path("x.lock"), "x.lock").networks == {"net": before}


def test_there_may_be_no_lock_but_what_is_there_must_be_one(net):
    assert read_lock(Path("x.lock"), "x.lock") is None
    Path("x.lock").symlink_to("nowhere")
    with pytest.raises(Refused, match=r"^x\.lock: error: there is no such file$"):
        read_lock(Path("x.lock"), "x.lock")
    with pytest.raises(Refused, match=r"^\.: error: not a file$"):
        read_lock(Path(), ".")


def test_a_spec_is_named_by_its_path_from_the_lock_or_as_a_shipped_one(net):
    (net.parent / "deep").mkdir()
    assert lock_entry(load("net.yaml"), lower(load("net.yaml")), count(lower(load("net.yaml"))), Path("deep")).spec == (
        "../net.yaml"
    )
    assert entry("resnet18").spec == "resnet18"
    shipped = Path(lock.__file__).parents[2] / "specs" / "resnet" / "resnet18.yaml"
    assert entry(shipped).spec == "resnet18"


def test_a_spec_that_no_text_can_name_is_refused(net):
    odd = Path("net-\udcff.yaml")
    try:
        odd.write_text(SPEC)
    except OSError:
        pytest.skip("this file system has no names that are no text")
    with pytest.raises(Refused, match="cannot be named in a lock"):
        entry(odd)


def test_nothing_differs_from_itself(net):
    assert differences(entry(net), entry(net)) == []


WORDS = {
    "input.size=16": [
        "input 3x32x32 -> 3x16x16",
        "macs 3,498,144 -> 874,656 (-2,623,488)",
        "activations 53,258 -> 13,322 (-39,936)",
        "stem: macs 221,184 -> 55,296 (-165,888), activations 8,192 -> 2,048 (-6,144)",
        "stage1: every block: macs 2,359,296 -> 589,824 (-1,769,472), activations 32,768 -> 8,192 (-24,576)",
        "stage2: macs 917,504 -> 229,376 (-688,128), activations 12,288 -> 3,072 (-9,216)",
    ],
    "head.classes=11": [
        "outputs logits 10 -> logits 11",
        "params 6,450 -> 6,467 (+17)",
        "macs 3,498,144 -> 3,498,160 (+16)",
        "activations 53,258 -> 53,259 (+1)",
        "head: params 170 -> 187 (+17), macs 160 -> 176 (+16), activations 10 -> 11 (+1)",
    ],
    "stages.overrides={stage1.block2: {attention: se}}": [
        "stage1: block 2 of 2: ",
    ],
    "norm={kind: batch, eps: 1e-3}": [
        "stem: other operations or inputs, the same counts",
        "stage1: every block: other operations or inputs, the same counts",
        "stage2: other operations or inputs, the same counts",
    ],
    "stages={depths: [3, 1]}": ["layers 8 -> 10 (+2)", "stage1: 2 blocks -> 3: "],
    "stages={depths: [1, 1]}": ["layers 8 -> 6 (-2)", "stage1: 2 blocks -> 1: "],
    "stages={depths: [2, 2]}": ["layers 8 -> 10 (+2)", "stage2: 1 blocks -> 2: "],
    "stages={depths: [2], widths: [8]}": ["stage2: gone, params 3,680, macs 917,504"],
    "stages={depths: [2, 1, 1], widths: [8, 16, 16]}": ["stage3: new, params "],
    "outputs=[stage1]": ["outputs logits 10 -> stage1 8x32x32, logits 10"],
}


@pytest.mark.parametrize("setting", WORDS)
def test_what_differs_is_said_with_figures_and_places(net, setting):
    said = differences(entry(net), entry(net, setting))
    for words in WORDS[setting]:
        assert [line for line in said if line.startswith(words)], (words, said)
    if setting.startswith(("input", "head", "norm")):
        assert said == WORDS[setting]


def test_a_spec_that_was_moved_is_said(net):
    net.rename("mine.yaml")
    Path("net.yaml").write_text(SPEC)
    assert differences(entry("net.yaml"), entry("mine.yaml")) == ["spec 'net.yaml' -> 'mine.yaml'"]


def mutations(graph: Graph):
    """The graph with one thing changed, once for each setting, name, role, operand and type of each node."""
    for index, node in enumerate(graph.nodes):
        for what, changed in node_mutations(node):
            nodes = (*graph.nodes[:index], changed, *graph.nodes[index + 1 :])
            yield f"{what} of {node.name}", node, replace(graph, nodes=nodes)


def node_mutations(node: Node):
    yield "name", replace(node, name=f"{node.name}x")
    yield "role", replace(node, role="gate")
    yield "operand", replace(node, inputs=(Value("elsewhere", *node.inputs[0][1:]), *node.inputs[1:]))
    yield "type", replace(node, output=Value(node.output.name, node.shape, "float16"))
    if isinstance(node.op, Activation):
        yield "function", replace(node, op=Activation("silu"))
    for setting in fields(node.op) if is_dataclass(node.op) else ():
        was = getattr(node.op, setting.name)
        value = 2 * was if isinstance(was, float) and was else other(setting)
        changed = replace(node, op=replace(node.op, **{setting.name: value if value != was else 2}))
        yield setting.name, changed


@pytest.mark.parametrize("name", ["net", "se", "preact"])
def test_no_change_of_any_node_escapes_the_lock_and_each_is_placed(net, name, monkeypatch):
    """A stride, a ReLU, a name, an epsilon: whatever single thing changes, the lock says in which block."""
    settings = {"se": ["stages.attention=se"], "preact": ["stages.block=preact_basic"]}.get(name, [])
    loaded = load(str(net), settings)
    graph = lower(loaded)
    before = entry(net, *settings)
    tried = 0
    for what, node, changed in mutations(graph):
        try:
            after = lock_entry(loaded, changed, count(graph), HERE)
        except ShapeError:  # a change that no graph could have
            continue
        tried += 1
        said = differences(before, after)
        stage = lock._name_stage(node.stage)
        assert [line.partition(":")[0] for line in said] == [stage], (what, said)
        if stage == "stage1":
            assert f"block {int(node.block[-1]) + 1} of 2" in said[0], (what, said)
    assert tried > 8 * len(graph.nodes) * 0.7


def test_the_order_of_operations_is_locked_too(net):
    loaded = load(str(net))
    graph = lower(loaded)
    by_stage = sorted(graph.nodes, key=lambda n: n.stage == "stem")  # the stem last: no machine could run that
    changed = lock_entry(loaded, replace(graph, nodes=tuple(by_stage)), count(graph), HERE)
    assert changed.stages == {**entry(net).stages}
    assert differences(entry(net), changed) == ["the order of its operations, every stage being as it was"]

"""`Net` builds graphs and checks each node; `rename_nodes` and `longest_path` read them."""

import pytest

from resnet_gen.graph import Net, Node, Value, longest_path, rename_nodes, stages_of
from resnet_gen.graph import net as module
from resnet_gen.ops import Activation, Add, Cast, Conv, Flatten, GlobalAvgPool, Linear
from resnet_gen.problems import Document, Refused, Span

X = Value("input", (3, 8, 8))
TEXT = Document("net.yaml", "stem: a\nhead: b\n")


def locate(loc):
    lines = {("input",): 0, ("stem",): 1, ("head",): 2}
    return Span(TEXT, lines[loc], 0, 1)


def message(call, *args):
    """How a refusal begins: its place and what it says."""
    with pytest.raises(Refused) as caught:
        call(*args)
    return str(caught.value).split("\n")[0]


def residual():
    """conv - relu - conv + shortcut conv, then a head."""
    net = Net(X)
    block = net.scope("stages.0").scope("1")
    a = block.add("conv1", Conv(4, 3, padding=1), net.input)
    b = block.add("conv2", Conv(4, 3, padding=1), block.add("act1", Activation("relu"), a))
    around = block.scope("shortcut", role="shortcut").add("conv", Conv(4, 1), net.input)
    y = block.add("add", Add(), b, around)
    head = net.scope("head")
    y = head.add("flatten", Flatten(), head.add("pool", GlobalAvgPool(), y))
    return net.graph("net", [head.add("fc", Linear(10), y)])


def node(graph, path):
    return next(n for n in graph.nodes if n.path == path)


def test_a_net_keeps_nodes_in_order_under_the_names_of_their_scopes():
    assert [n.name for n in residual().nodes] == [
        "stages.0.1.conv1", "stages.0.1.act1", "stages.0.1.conv2", "stages.0.1.shortcut.conv",
        "stages.0.1.add", "head.pool", "head.flatten", "head.fc",
    ]  # fmt: skip


def test_a_node_knows_its_shapes_stage_block_role_and_weights():
    graph = residual()
    conv = node(graph, "stages.0.1.shortcut.conv")
    assert (conv.input_shapes, conv.shape) == (((3, 8, 8),), (4, 8, 8))
    assert (conv.stage, conv.block, conv.role) == ("stages.0", "stages.0.1", "shortcut")
    assert [t.shape for t in conv.tensors] == [(4, 3, 1, 1)]
    assert conv.weight_name("weight") == "stages.0.1.shortcut.conv.weight"
    assert (node(graph, "head.fc").stage, node(graph, "head.fc").block) == ("head", "head")
    assert node(graph, "stages.0.1.add").role == "main"


def test_the_state_has_every_weight_in_order():
    assert {name: t.shape for name, t in residual().state().items()} == {
        "stages.0.1.conv1.weight": (4, 3, 3, 3),
        "stages.0.1.conv2.weight": (4, 4, 3, 3),
        "stages.0.1.shortcut.conv.weight": (4, 3, 1, 1),
        "head.fc.weight": (10, 4),
        "head.fc.bias": (10,),
    }


def test_consumers_are_those_who_read_a_value():
    readers = residual().consumers()
    assert [n.path for n in readers["input"]] == ["stages.0.1.conv1", "stages.0.1.shortcut.conv"]
    assert [n.path for n in readers["stages.0.1.conv2"]] == ["stages.0.1.add"]
    assert "head.fc" not in readers


def test_scopes_nest_names_and_inherit_place_and_role():
    net = Net(X, locate)
    inner = net.scope("stem", at=("stem",), role="gate").scope("deep").scope()
    value = inner.add("relu", Activation("relu"), net.input)
    assert value.name == "stem.deep.relu"
    assert net.graph("n", [value]).nodes[0].role == "gate"
    assert message(inner.add, "fc", Linear(3), value).startswith("net.yaml:2:1: ")


def test_a_cast_changes_the_type_and_all_else_keeps_it():
    net = Net(X)
    half = net.add("cast", Cast("float16"), net.input)
    assert (net.input.dtype, half.dtype, net.add("relu", Activation("relu"), half).dtype) == (
        "float32", "float16", "float16",
    )  # fmt: skip


def test_a_refusal_names_the_node_and_points_at_its_line():
    net = Net(X, locate)
    head = net.scope("head", at=("head",))
    assert message(head.add, "fc", Linear(3), net.input) == (
        "net.yaml:3:1: error: head.fc: a linear layer needs a vector, not a feature map"
    )
    assert net.graph("n", [net.input]).nodes == ()


def test_a_refusal_outside_any_scope_points_at_the_input():
    assert str(Net(X, locate).refusal("bad", "good")).split("\n") == [
        "net.yaml:1:1: error: bad", "   1 | stem: a", "       ^", "hint: good",
    ]  # fmt: skip


def test_a_net_without_positions_still_refuses():
    assert message(Net(X).add, "fc", Linear(3), X) == "error: fc: a linear layer needs a vector, not a feature map"


def test_an_activation_beyond_any_machine_is_refused():
    side = 1 << 15
    assert message(Net, Value("input", (32, side, side))) == (
        "error: an activation of 32x32768x32768 is beyond any machine"
    )
    net = Net(Value("input", (16, side, side)), locate)
    assert "stem: an activation of 17x32768x32768" in message(net.scope("stem").add, "c", Conv(17, 1), net.input)


@pytest.mark.parametrize(("limit", "built"), [(3, True), (2, False)])
def test_operations_are_limited(monkeypatch, limit, built):
    monkeypatch.setattr(module, "MAX_NODES", limit)
    net = Net(X)
    add = [lambda i=i: net.add(f"relu{i}", Activation("relu"), net.input) for i in range(3)]
    add[0](), add[1]()
    if built:
        assert add[2]().name == "relu2"
    else:
        assert message(add[2]) == "error: more than 2 operations"


@pytest.mark.parametrize(("limit", "refused"), [(24, False), (23, True)])
def test_parameters_are_limited_over_all_scopes(monkeypatch, limit, refused):
    monkeypatch.setattr(module, "MAX_PARAMS", limit)
    net = Net(X)
    y = net.scope("a").add("conv", Conv(4, 1), net.input)
    if refused:
        assert message(net.scope("b").add, "conv", Conv(3, 1), y) == "error: b: more than 23 parameters"
    else:
        assert net.scope("b").add("conv", Conv(3, 1), y).shape == (3, 8, 8)


def test_renamed_calls_nodes_and_values_by_new_names_and_keeps_paths():
    old = residual()
    new = rename_nodes(old, [f"n{i}" for i in range(8)], ["logits"])
    assert [n.name for n in new.nodes] == [f"n{i}" for i in range(8)]
    assert [n.path for n in new.nodes] == [n.path for n in old.nodes]
    assert [v.name for v in new.nodes[4].inputs] == ["n2", "n3"]
    assert (new.nodes[-1].output.name, new.outputs[0].name, new.input.name) == ("logits", "logits", "input")
    assert new.outputs[0].shape == (10,)


@pytest.mark.parametrize("last", ["n0", "input", "logits"])
def test_renamed_refuses_a_name_given_twice(last):
    names = [f"n{i}" for i in range(7)] + [last]
    with pytest.raises(ValueError, match=f"two layers would both be called '{last}'"):
        rename_nodes(residual(), names, ["logits"])


@pytest.mark.parametrize("names", [["a", "b"], [f"n{i}" for i in range(9)]])
def test_renamed_refuses_a_wrong_number_of_names(names):
    with pytest.raises(ValueError):  # noqa: PT011 - a fault of the program, which nobody reads
        rename_nodes(residual(), names, ["logits"])


def two_outputs():
    """Of which the first is read further."""
    net = Net(X)
    first = net.add("a", Conv(4, 1), net.input)
    return net.graph("n", [first, net.add("b", Conv(5, 1), first)])


def test_renamed_calls_each_output_by_its_own_name_wherever_it_is_read():
    new = rename_nodes(two_outputs(), ["n0", "n1"], ["early", "late"])
    assert [(n.name, n.output.name) for n in new.nodes] == [("n0", "early"), ("n1", "late")]
    assert new.nodes[1].inputs == (Value("early", (4, 8, 8)),)
    assert [(v.name, v.shape) for v in new.outputs] == [("early", (4, 8, 8)), ("late", (5, 8, 8))]


def test_renamed_refuses_two_outputs_of_one_name():
    with pytest.raises(ValueError, match="both be called 'out'"):
        rename_nodes(two_outputs(), ["n0", "n1"], ["out", "out"])


def test_outputs_may_come_from_an_iterator_and_are_kept_in_order():
    net = Net(X)
    values = [net.add(name, Conv(4, 1), net.input) for name in "ab"]
    assert net.graph("n", iter(reversed(values))).outputs == (values[1], values[0])


def test_longest_path_takes_the_greater_branch():
    graph = residual()
    assert longest_path(graph, lambda n: 1) == 7
    assert longest_path(graph, lambda n: int(isinstance(n.op, Conv))) == 2
    assert longest_path(graph, lambda n: 100 if n.role == "shortcut" else 1) == 104


def test_longest_path_ends_at_the_outputs():
    net = Net(X)
    y = net.add("a", Activation("relu"), net.input)
    net.add("b", Activation("relu"), y)
    assert longest_path(net.graph("n", [y]), lambda n: 1) == 1
    assert longest_path(net.graph("n", [net.input]), lambda n: 1) == 0
    assert longest_path(net.graph("n", []), lambda n: 1) == 0
    assert longest_path(two_outputs(), lambda n: 1) == 2


def test_stages_of_groups_nodes_by_stage_in_order():
    grouped = stages_of(residual().nodes)
    assert {name: len(nodes) for name, nodes in grouped.items()} == {"stages.0": 5, "head": 3}
    assert list(grouped) == ["stages.0", "head"]


def test_a_node_of_the_stem_is_its_own_stage_and_block():
    assert (Node("x", "stem.conv", Conv(1, 1), (X,), X).stage, Node("x", "stem.conv", Conv(1, 1), (X,), X).block) == (
        "stem", "stem",
    )  # fmt: skip

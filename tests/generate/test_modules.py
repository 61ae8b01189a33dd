"""From graphs to modules, classes and statements, on small graphs made by hand."""

import ast
from dataclasses import dataclass, replace
from importlib import import_module

import pytest

from resnet_gen import ops
from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.generate.modules.classes import ModuleClasses, ParameterNamer
from resnet_gen.generate.modules.expressions import Parameter, find_expression, fit_parameters
from resnet_gen.generate.modules.forward import write_statements
from resnet_gen.generate.modules.naming import name_classes
from resnet_gen.generate.modules.patterns import find_pattern, flatten_steps, is_counted, is_run, is_sequence
from resnet_gen.generate.modules.tree import ChannelChunks, build_tree
from resnet_gen.generate.spelling import is_attribute_name, is_list, quote_text
from resnet_gen.generate.targets.pytorch import _PyTorch
from resnet_gen.generate.torch_names import check_member_name
from resnet_gen.graph import Net, Value, rename_nodes
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.problems import Refused
from tests.standin.compare import is_the_network

CONV, NORM, RELU = ops.Conv(4, 3, 1, 1), ops.BatchNorm(), ops.Activation("relu")


def net(*rows, outputs=("last",)):
    """A graph of `name, op, inputs` by names; the image is `input`."""
    made = Net(Value("input", (4, 8, 8)))
    values = {"input": made.input}
    for name, op, *inputs in rows:
        values[name] = values["last"] = made.add(
            name, op, *(values[i] for i in inputs or ["last" if len(values) > 1 else "input"])
        )
    return made.graph("small", [values[name] for name in outputs])


def test_names_spell_a_tree_whose_leaves_are_operations():
    root = build_tree(net(("a.conv", CONV), ("a.norm", NORM), ("fc", ops.Conv(2, 1))))
    assert [step.name for step in root.steps] == ["a", "fc"]
    inner = root.steps[0].what
    assert [(s.name, s.what.op, s.inputs) for s in inner.steps] == [("conv", CONV, ("in0",)), ("norm", NORM, ("conv",))]
    assert inner.chain
    assert root.outputs == ("fc",)


def test_a_layer_called_as_what_holds_another_is_refused_by_both_names():
    with pytest.raises(Refused, match=r"the layer 'a' is called as what holds 'a\.norm\.0'"):
        build_tree(net(("a", CONV), ("a.norm.0", NORM)))
    assert build_tree(net(("a", RELU), ("a.norm", NORM)))  # what has no weights goes to another place


def test_numbered_chains_are_sequences_and_others_are_none():
    numbered = build_tree(net(("a.0", CONV), ("a.1", NORM), ("a.4", CONV)))
    named = build_tree(net(("a.conv", CONV), ("a.norm", NORM)))
    falling = build_tree(net(("a.1", CONV), ("a.0", NORM)))
    assert [is_sequence(root.steps[0].what) for root in (numbered, named, falling)] == [True, False, False]
    assert [step.name for step in flatten_steps(numbered)] == ["a.0", "a.1", "a.4"]


def test_a_group_that_cannot_be_done_as_a_whole_is_opened():
    rows = [("convs.0", CONV), ("norms.0", NORM), ("convs.1", CONV), ("norms.1", NORM)]
    assert [step.name for step in build_tree(net(*rows)).steps] == ["convs.0", "norms.0", "convs.1", "norms.1"]


def test_a_group_with_several_results_is_opened():
    rows = [("a.conv", CONV, "input"), ("a.norm", NORM, "a.conv"), ("add", ops.Add(), "a.conv", "a.norm")]
    assert [step.name for step in build_tree(net(*rows)).steps] == ["a.conv", "a.norm", "add"]


def test_channels_that_are_taken_part_by_part_are_one_chunk():
    rows = [
        ("split_0", ops.TakeChannels(0, 2), "input"), ("split_1", ops.TakeChannels(2, 4), "input"),
        ("add", ops.Add(), "split_0", "split_1"),
    ]  # fmt: skip
    first, add = build_tree(net(*rows)).steps
    assert first.what.op == ChannelChunks(2)
    assert add.inputs == ("split:0", "split:1")
    uneven = [rows[0], ("split_1", ops.TakeChannels(2, 3), "input"), ("cat", ops.Concat(), "split_0", "split_1")]
    assert not any(isinstance(step.what.op, ChannelChunks) for step in build_tree(net(*uneven)).steps)


def of(name, setting, *values):
    return Parameter(name, setting, values)


@pytest.mark.parametrize(
    ("setting", "values", "expression"),
    [
        ("out_channels", (8, 8), "8"),
        ("out_channels", (2, 3), "width"),
        ("out_channels", (8, 12), "4 * width"),
        ("out_channels", (1, 1), "1"),
        ("out_channels", (3, 5), None),
        ("stride", (2, 3), None),
        ("padding", (1, 2), "kernel // 2"),
        ("in_channels", (3, None), "3"),
        ("present", (1, 1), "True"),
    ],
)
def test_a_number_is_told_by_those_before_it(setting, values, expression):
    known = [of("width", "out_channels", 2, 3), of("kernel", "kernel_size", 3, 5)]
    assert find_expression(setting, values, known) == expression


def test_a_part_is_told_by_division():
    assert find_expression("out_channels", (2, 3), [of("width", "out_channels", 8, 12)]) == "width // 4"


def test_the_fewest_parameters_are_taken_in_order():
    slots = {
        ("conv", "in_channels"): ("in_channels", (2, 3)),
        ("conv", "out_channels"): ("out_channels", (4, 6)),
        ("conv", "stride"): ("stride", (1, 2)),
    }
    arguments = fit_parameters(slots, lambda slot, setting, values, known: slot[-1])
    assert [parameter.name for parameter in arguments.parameters] == ["in_channels", "stride"]
    assert arguments.expressions["conv", "out_channels"] == "2 * in_channels"
    assert [parameter.default for parameter in arguments.parameters] == [None, 1]
    assert arguments.values(1) == {"in_channels": 3, "stride": 2}


def test_a_parameter_is_called_as_python_allows():
    namer = ParameterNamer("inner", [])
    assert namer(("lambda",), "present", (0, 1), []) == "with_lambda"
    assert namer(("0",), "present", (0, 1), []) == "with_0"
    assert namer(("conv", "stride"), "stride", (1, 2), [of("stride", "stride", 2, 1)]) == "conv_stride"


@pytest.mark.parametrize(
    ("names", "counted"),
    [("0 1 2", True), ("0 3", True), ("1 0", False), ("0 01", False), ("a", False), ("", True), ("0 0", False)],
)
def test_numbers_that_grow_count(names, counted):
    assert is_counted(names.split()) == counted


def graph_of(*settings, spec="cifar-resnet20"):
    return lower(load(spec, settings))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("0", "1", "2"), ("", 0, "", "")),
        (("b1", "b2", "b3"), ("b", 1, "", "")),
        (("block2-0", "block2-1", "block2-2"), ("block", 0, "2", "-")),
        (("a", "b", "c"), None),
        (("b1", "b3", "b2"), None),
        (("b01", "b02", "b03"), None),
        (('b"1', 'b"2', 'b"3'), None),
    ],
)
def test_blocks_are_counted_where_their_names_are(names, found):
    def rename(path):
        for number, name in enumerate(names):
            path = path.replace(f"stages.0.{number}.", f"stages.0.{name}.")
        return path

    graph = graph_of("naming=paths")
    root = build_tree(rename_nodes(graph, [rename(node.name) for node in graph.nodes], ["logits"]))
    stage = next(s.what for s in root.steps if s.name == "stages").steps[0].what
    assert is_run(stage)
    assert find_pattern(stage) == found


def condition(spec, name, *settings):
    """The condition of a member of the block's class, and what is handed on without it."""
    classes = ModuleClasses([build_tree(lower(load(spec, settings)))])
    return next((m.condition, m.instead) for kind in classes.all for m in kind.members if m.name == name)


def test_a_projection_that_is_not_there_hands_on_what_enters_it():
    assert condition("resnet18", "downsample") == ("stride != 1 or in_channels != out_channels", "in0")


def test_a_sequence_that_is_not_there_may_hand_on_another_value_than_enters_it():
    """Pre-activation: projections take what the first norm and activation make, identities the block's input."""
    assert condition("preact110", "shortcut") == ("stride != 1 or in_channels != out_channels", "in0")
    classes = ModuleClasses([build_tree(graph_of(spec="preact110"))])
    steps = [step for kind in classes.all for step in kind.unit.steps if step.name == "shortcut"]
    assert [step.inputs for step in steps] == [("act1",)]


@pytest.mark.parametrize(
    "word", ["type", "forward", "modules", "items", "", "_modules", "__init__", "forward_features"]
)
def test_a_name_that_no_module_can_have_is_refused(word):
    with pytest.raises(Refused, match="PyTorch") as refused:
        check_member_name(word)
    assert "naming" in refused.value.problems[0].hint


def test_names_that_python_cannot_spell():
    assert [is_attribute_name(word) for word in ("conv1", "0", "lambda", "None", "__x", "\ufb01", "a-b", "match")] == [
        True, False, False, False, False, False, False, True,
    ]  # fmt: skip


def test_members_told_apart_by_numbers_from_0_are_a_list():
    assert [is_list(keys) for keys in (["0", "1"], ["0", "2"], ["a", "0"], ["00"], ["99"])] == [
        True, True, False, False, False,
    ]  # fmt: skip


def written(*rows):
    """The lines that make a network's members, and those of its `forward`, in PyTorch."""
    kind, language = ModuleClasses([build_tree(net(*rows))]).network, _PyTorch()
    language.begin_class(kind)
    return language.write_members(kind), write_statements(kind, language)


@pytest.mark.parametrize("function", ["relu", "sigmoid", "tanh"])
def test_a_sum_overwrites_what_no_gradient_needs_alone(function):
    other, end = ("other", CONV, "input"), ("end", CONV, "add")
    _, safe = written(("conv", CONV), other, ("add", ops.Add(), "conv", "other"), end)
    assert [line for line in safe if "+=" in line] == ["y += self.other(x)"]
    needed = [("conv", CONV), ("act", ops.Activation(function)), other, ("add", ops.Add(), "act", "other"), end]
    assert not any("+=" in line for line in written(*needed)[1])


def test_an_activation_overwrites_neither_what_is_read_twice_nor_what_enters_a_sequence():
    twice = [("conv", CONV), ("act", RELU), ("other", CONV, "conv"), ("add", ops.Add(), "act", "other")]
    assert not any("inplace" in line for line in written(*twice)[1])
    first = written(("conv", CONV), ("head.act", RELU), ("head.flat", ops.Flatten()))[0]
    assert any("nn.ReLU()" in line for line in first)
    behind = written(("conv", CONV), ("fc.0", CONV), ("fc.1", RELU))[0]
    assert any("nn.ReLU(inplace=True)" in line for line in behind)


def test_channels_that_are_no_equal_parts_are_slices():
    rows = [
        ("one", ops.TakeChannels(0, 1), "input"), ("two", ops.TakeChannels(1, 4), "input"),
        ("cat", ops.Concat(), "two", "one"),
    ]  # fmt: skip
    assert "x[:, 1:4]" in " ".join(written(*rows)[1])


def blocks_of(*second):
    """The classes of blocks where the first is a convolution and a sum, and the second these rows."""
    first = [("stages.0.0.conv1", CONV, "input"), ("stages.0.0.add", ops.Add(), "stages.0.0.conv1", "input")]
    made = ModuleClasses([build_tree(net(*first, *second))])
    return [kind for kind in made.all if kind.unit.level == "block"]


def test_blocks_that_lack_a_member_are_of_one_class_if_all_else_is_wired_alike():
    more = [("stages.0.1.conv1", CONV, "stages.0.0.add"), ("stages.0.1.proj", CONV, "stages.0.0.add")]
    alike = ("stages.0.1.add", ops.Add(), "stages.0.1.conv1", "stages.0.1.proj")
    otherwise = ("stages.0.1.add", ops.Add(), "stages.0.1.proj", "stages.0.1.conv1")
    assert len(blocks_of(*more, alike)) == 1
    assert len(blocks_of(*more, otherwise)) == 2


@dataclass
class _Other:
    """Paths with one word for another; no part of the language, which every test would then know."""

    old: str
    new: str

    def names(self, paths):
        return [".".join(self.new if word == self.old else word for word in path.split(".")) for path in paths]

    def registered(self, weights):
        return list(weights)


def renaming(spec, old, new, *settings):
    loaded = load(spec, settings)
    scheme = _Other(old, new)
    return replace(loaded, spec=loaded.spec.model_copy(update={"naming": scheme}))


@pytest.mark.parametrize("new", ["lambda", "None", "0", "7", "a-b", "__x", "match", "in_channels", "self"])
@pytest.mark.parametrize(
    ("spec", "old"),
    [("cifar-resnet20", "conv1"), ("cifar-resnet20", "head"), ("preact164", "shortcut"), ("preact164", "stages")],
)
def test_layers_of_any_name_are_the_same_network(spec, old, new):
    loaded = renaming(spec, old, new, "naming=paths", "stages.depths=[2, 2, 2]")
    (text,) = generate_files(CodeSubject(loaded), "pytorch").values()
    is_the_network(text, loaded)


@pytest.mark.parametrize("new", ["type", "forward", "train", "__call__", "reset_parameters"])
@pytest.mark.parametrize("old", ["conv1", "head", "stages"])
def test_layers_that_no_module_can_hold_are_refused(old, new):
    with pytest.raises(Refused, match=f"'{new}'"):
        generate_files(CodeSubject(renaming("cifar-resnet20", old, new, "naming=paths")), "pytorch")


@pytest.fixture
def proved(monkeypatch):
    """Asserts that generated PyTorch computes what a graph by hand says; gives its source, and that of Flax, parsed."""

    def source(to, *rows, spec="resnet8-digits"):
        graph = net(*rows)
        monkeypatch.setattr(import_module("resnet_gen.generate.modules.spec_classes"), "lower", lambda _: graph)
        loaded = load(spec)
        vars(subject := CodeSubject(loaded))["graph"] = graph
        (text,) = generate_files(subject, to).values()
        if to == "pytorch":
            is_the_network(text, loaded, graph)
        ast.parse(text)
        return text

    return source


MINUS = ops.OneMinus()


@pytest.mark.parametrize(
    ("rows", "torch", "flax"),
    [
        ([("max", ops.ChannelMax())], "(1 - self.conv(x)).amax(", "(1 - self.conv(x)).max("),
        ([("sum", ops.SumPositions())], "(1 - self.conv(x)).sum(", "(1 - self.conv(x)).sum("),
        ([("again", MINUS)], "1 - (1 - self.conv(x))", "1 - (1 - self.conv(x))"),
        ([("add", ops.Add(), "input", "minus")], "x + (1 - self.conv(x))", "x + (1 - self.conv(x))"),
        ([("add", ops.Add(), "minus", "input")], "1 - self.conv(x) + x", "1 - self.conv(x) + x"),
        ([("mul", ops.Mul(), "minus", "input")], "(1 - self.conv(x)) * x", "(1 - self.conv(x)) * x"),
        ([("take", ops.TakeChannels(1, 3))], "(1 - self.conv(x))[:, 1:3]", "(1 - self.conv(x))[..., 1:3]"),
        ([("sub", ops.Subsample(2))], "(1 - self.conv(x))[:, :, ", "(1 - self.conv(x))[:, "),
        ([("mean", ops.GlobalAvgPool())], "pool2d(1 - self.conv(x), 1)", "(1 - self.conv(x)).mean("),
        ([("mean", ops.GlobalAvgPool()), ("soft", ops.Flatten())], "torch.flatten(", "(1 - self.conv(x)).mean((1, 2))"),
    ],
)
def test_operands_are_in_brackets_where_they_must_be_and_nowhere_else(rows, torch, flax, proved):
    rows = [("conv", ops.Conv(4, 3, 1, 1), "input"), ("minus", MINUS), *rows]
    assert torch in proved("pytorch", *rows)
    assert flax in proved("flax", *rows)


@pytest.mark.parametrize("op", [ops.Add(), ops.Mul(), ops.Concat()])
@pytest.mark.parametrize("to", ["pytorch", "flax"])
def test_an_operation_may_read_a_value_twice(op, to, proved):
    proved(to, ("conv", CONV), ("twice", op, "conv", "conv"), ("other", CONV), ("end", op, "other", "other"))
    rows = [("half_0", ops.TakeChannels(0, 2), "input"), ("half_1", ops.TakeChannels(2, 4), "input")]
    proved(to, *rows, ("twice", op, "half_0", "half_0"), ("end", ops.Concat(), "twice", "half_1"))


@pytest.mark.parametrize("name", ["part", "part_a"])
def test_parts_of_a_value_have_a_name_that_no_layer_has(name, proved):
    conv = ("part", CONV, "input")
    rows = [(f"{name}_a", ops.TakeChannels(0, 2), "part"), (f"{name}_b", ops.TakeChannels(2, 4), "part")]
    text = proved("pytorch", conv, *rows, ("cat", ops.Concat(), f"{name}_b", f"{name}_a"))
    assert ".chunk(2, dim=1)" in text


def strided(number, stride, given):
    """A block with a layer called as the argument that another operation needs."""
    at = f"stages.0.{number}"
    return [
        (f"{at}.stride", ops.Conv(4, 3, stride, 1), given), (f"{at}.sub", ops.Subsample(stride), given),
        (f"{at}.add", ops.Add(), f"{at}.stride", f"{at}.sub"),
    ]  # fmt: skip


def test_an_argument_is_kept_beside_a_layer_of_its_name(proved):
    text = proved("pytorch", *strided(0, 1, "input"), *strided(1, 2, "stages.0.0.add"))
    assert "        self.stride_2 = stride\n        self.stride = nn.Conv2d(" in text
    assert "self.stride_2 = stride" in proved("flax", *strided(0, 1, "input"), *strided(1, 2, "stages.0.0.add"))


@pytest.mark.parametrize("name", ["Layer", "Range", "Class", "Blocks", "SplitSoftmax"])
def test_functions_that_write_layers_have_names_that_nothing_else_has(name, monkeypatch):
    def called(classes, loaded):
        name_classes(classes, loaded)
        for kind in classes[:-1]:
            kind.name = name

    monkeypatch.setattr(import_module("resnet_gen.generate.modules.spec_classes"), "name_classes", called)
    loaded = load("vgg11")
    (text,) = generate_files(CodeSubject(loaded), "pytorch").values()
    assert "_layers" in text
    is_the_network(text, loaded)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "stages" + 60 * "s"])
def test_biases_that_begin_at_a_number_are_found_by_any_name(name, proved):
    filled = ops.Conv(4, 3, 1, 1, bias=True, bias_fill=-2.0)
    text = proved("pytorch", (f"{name}.c", filled))
    assert quote_text(f"{name}.c.bias") in text


def test_flax_has_members_by_numbers_that_are_no_sequence(proved):
    rows = [("0", CONV, "input"), ("1.0", CONV, "input"), ("1.1", CONV, "input"), ("add", ops.Add(), "0", "1.0")]
    text = proved("flax", *rows, ("end", ops.Add(), "add", "1.1"))
    assert 'setattr(self, "0", Conv2d(' in text
    assert 'attrgetter("0")(self)(x)' in text
    assert 'attrgetter("1.0")(self)(x)' in text


def test_a_result_has_a_type_that_mypy_knows_if_all_operands_have():
    rows = [("conv", CONV), ("act", RELU), ("gate", CONV, "input"), ("mul", ops.Mul(), "act", "gate")]
    assert written(*rows)[1][1:] == ["out: Tensor = y * self.gate(x)", "return out"]
    rows[2] = ("gate", ops.ChannelMean(), "input")
    assert written(*rows)[1][1:] == ["return y * x.mean(1, keepdim=True)"]


@pytest.mark.parametrize("to", ["pytorch", "flax"])
@pytest.mark.parametrize("word", ["conv", "a_name_of_some_length", 9 * "long_word_"])
def test_a_result_is_written_into_the_next_line_as_long_as_that_fits(to, word, proved):
    rows = [(word, CONV, "input"), *((f"{word}{number}", CONV) for number in range(3)), ("act", ops.Activation("elu"))]
    text = proved(to, *rows)
    assert max(map(len, text.splitlines())) <= 88 or len(word) > 80

"""A PyTorch module of its own: typed source that needs nothing but torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnet_gen import ops
from resnet_gen.generate.base import CodeSubject
from resnet_gen.generate.docstrings import module_doc, network_doc
from resnet_gen.generate.layout import GeneratorExpression, KeywordPair, indent_lines, lines
from resnet_gen.generate.layout import PythonCall as Text
from resnet_gen.generate.layout import Text as AnyText
from resnet_gen.generate.modules.classes import ClassMember, OperationCall
from resnet_gen.generate.modules.spec_classes import outline
from resnet_gen.generate.modules.tree import OperationLeaf
from resnet_gen.generate.python import INDENT, PythonSyntax, Settings
from resnet_gen.generate.spelling import apply_operation, is_attribute_name, quote_text, section
from resnet_gen.generate.torch_calls import FUNCTIONS, HELPERS, IN_CHAINS, MODULES, OPERATIONS
from resnet_gen.generate.torch_names import check_member_name
from resnet_gen.system.templates import render


def files(subject: CodeSubject) -> dict[str, str]:
    """The one file: a class for the network, and one for each of its kinds of modules."""
    graph, classes = subject.graph, outline(subject.loaded, spreads=True).all
    language, (*inner, network) = _PyTorch(classes), classes
    shapes = [graph.input.shape, *(value.shape for value in graph.outputs)]
    body = render(
        "pytorch/classes.py.jinja",
        classes=[language.written(kind) for kind in inner],
        network={**language.network(network), "doc": network_doc(subject, shapes)},
        fills=list(_fills(subject)),
        helpers=language.helpers,
    )
    text = render("pytorch/module.py.jinja", doc=module_doc(subject, "PyTorch"), body=body)
    return {f"{subject.module}.py": text}


def _fills(subject: CodeSubject) -> Iterator[str]:
    """The lines that set biases which begin at another number than 0."""
    for node in sorted(subject.graph.nodes, key=lambda node: node.name):
        if isinstance(node.op, ops.Conv) and node.op.bias_fill:
            bias = Text("self.get_parameter", [quote_text(f"{node.name}.bias")])
            yield from lines("", Text("nn.init.constant_", [bias, repr(node.op.bias_fill)]), INDENT)


class _PyTorch(PythonSyntax):
    """How PyTorch writes what a class is made of and does."""

    tensor, module, layer = "Tensor", "nn.Module", "nn.Module"
    sequence, listed, mapped = "nn.Sequential", "nn.ModuleList", "nn.ModuleDict"
    identity, call, pool = "nn.Identity()", "forward", "nn.MaxPool2d"

    def lasting(self, op: ops.Op) -> bool:
        """Whether an operation is a module that its class holds."""
        return type(op) in MODULES

    def checked(self, word: str) -> str:
        """The name of a member; raises `Refused` where no module can have it."""
        return check_member_name(word)

    def reached(self, name: str) -> str:
        """`self.conv1`; by its name where Python cannot spell that."""
        first, _, rest = name.partition(".")
        return (
            super().reached(name)
            if is_attribute_name(first) and "." not in rest
            else f"self.get_submodule({quote_text(name)})"
        )

    def iterated(self, name: str) -> str:
        """The members of a sequence, to be taken in turn."""
        reached = self.reached(name)
        return reached if is_attribute_name(name) else f"{reached}.children()"

    def either(self, member: ClassMember, there: str, instead: str) -> str:
        """What a member makes of a value, or another value where it is not there."""
        if is_attribute_name(member.name):
            return super().either(member, there, instead)
        return f"{there} if hasattr(self, {quote_text(member.name)}) else {instead}"

    def typed(self, text: str) -> bool:
        """Whether mypy knows that an expression is a tensor, though modules return anything."""
        return text.startswith(("F.", "torch."))

    def operation(self, member: ClassMember, given: Sequence[str], *, fresh: bool) -> str:
        """`F.relu(x, inplace=True)`."""
        assert isinstance(member.what, OperationCall)
        op = member.what.leaf.op
        if isinstance(op, ops.Activation):
            return f"{FUNCTIONS[op.function][1]}({', '.join([given[0], *_activation(op, fresh)])})"
        self._need(member.what.leaf)
        more = {"all": ", ".join(given), "dim": 1 + getattr(op, "axis", 0)}
        return apply_operation(OPERATIONS[type(op)], given, **{**_values(op, self.keep(member.what)), **more})

    def constructed(self, what: OperationCall, *, fresh: bool) -> AnyText:
        """`nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)`."""
        self._need(what.leaf)
        return Text(*_module(what, fresh=fresh))

    def assigned(self, name: str, text: AnyText, indent: int) -> list[str]:
        """A member is made; by its name where Python cannot spell that."""
        if is_attribute_name(check_member_name(name)):
            return super().assigned(name, text, indent)
        return lines("", Text("self.add_module", [quote_text(name), text]), indent)

    def optional(self, name: str, condition: str, made: AnyText, *, handed_on: bool) -> list[str]:
        """A member that is replaced where it is there."""
        first = [f"self.{name}: nn.Module | None = None"] if is_attribute_name(name) else []
        if handed_on:
            first = (
                [f"self.{name}: nn.Module = {self.identity}"] if first else self.assigned(name, self.identity, INDENT)
            )
        return [*first, f"if {condition}:", *indent_lines(self.assigned(name, made, INDENT + 4))]

    def named(self, members: Sequence[tuple[str, AnyText]]) -> list[AnyText]:
        """`OrderedDict(conv=nn.Conv2d(...))`."""
        if all(is_attribute_name(name) for name, _ in members):
            return [Text("OrderedDict", [KeywordPair(f"{name}=", text) for name, text in members])]
        pairs = [KeywordPair(f"{quote_text(name)}: ", text) for name, text in members]
        return [Text("OrderedDict", [Text("", pairs, "{}")])]

    def counted(self, key: str, clause: str) -> AnyText:
        """`OrderedDict((f"block{index}", layer) for index, layer in enumerate(layers))`."""
        return Text("OrderedDict", [GeneratorExpression(Text("", [key, "layer"]), clause, starred=False)])

    def _need(self, leaf: OperationLeaf) -> None:
        if type(leaf.op) in HELPERS:
            self.helpers.add(HELPERS[type(leaf.op)])
        if isinstance(leaf.op, ops.MaxPool) and leaf.op.zeros:
            self.helpers.add("ZeroMaxPool2d")
        if isinstance(leaf.op, ops.Conv) and leaf.op.standardize is not None:
            self.helpers.add("StdConv2d")


def _constructed(words: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Arguments of a constructor, without those that are as they would be anyway (`key=value|usual`)."""
    filled = (word.format_map(values) for word in words)
    pairs = (text.partition("|") for text in filled)
    return [text for text, _, usual in pairs if text.partition("=")[2] != usual or not usual]


def _values(op: ops.Op, arguments: Settings) -> dict[str, Any]:
    """What stands for the words in braces: an operation's fields, its settings as expressions, what follows them."""
    values = {**vars(op), **arguments}
    if isinstance(op, ops.PadChannels):
        wide, narrow = arguments["out_channels"], arguments["in_channels"]
        numbers = wide.isdecimal() and narrow.isdecimal()
        values["more"] = str(int(wide) - int(narrow)) if numbers else f"{wide} - {narrow}"
    if isinstance(op, ops.TakeChannels):
        values["section"] = section(arguments["start"], arguments["stop"])
    if isinstance(op, ops.Subsample):
        values["step"] = f":{section('', arguments['stride'])}"
    return values


def _module(what: OperationCall, *, fresh: bool) -> tuple[str, list[str]]:
    op, values = what.leaf.op, _values(what.leaf.op, what.arguments)
    if isinstance(op, ops.Activation):
        return f"nn.{FUNCTIONS[op.function][0]}", _activation(op, fresh)
    name, *words = {**MODULES, **IN_CHAINS}[type(op)]
    if isinstance(op, ops.Conv) and op.standardize is not None:
        return "StdConv2d", _constructed([*words, "eps={standardize}|1e-06"], values)
    return "ZeroMaxPool2d" if getattr(op, "zeros", False) else name, _constructed(words, values)


def _activation(op: ops.Activation, fresh: bool) -> list[str]:
    """What follows the value in a call of the function, and is all that the module is made with."""
    slope = [repr(op.slope)] if op.sloped else []
    return [*slope, *(["inplace=True"] if fresh and FUNCTIONS[op.function][2] else [])]

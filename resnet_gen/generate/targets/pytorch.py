"""A PyTorch module of its own: typed source that needs nothing but torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resnet_gen import ops
from resnet_gen.generate.base import CodeSubject
from resnet_gen.generate.docstrings import describe_module, describe_network
from resnet_gen.generate.layout import (
    GeneratorExpression,
    KeywordPair,
    PythonCall,
    PythonText,
    format_lines,
    indent_lines,
)
from resnet_gen.generate.modules.classes import ClassMember, OperationCall
from resnet_gen.generate.modules.spec_classes import classes_of_spec
from resnet_gen.generate.modules.training import describe_training
from resnet_gen.generate.python import INDENT, OperationArguments, PythonSyntax
from resnet_gen.generate.python_words import find_constructor
from resnet_gen.generate.served_modules import widen_subject, write_served
from resnet_gen.generate.spelling import is_attribute_name, quote_text
from resnet_gen.generate.torch_calls import FUNCTIONS, HELPERS, IN_CHAINS, MODULES, OPERATIONS
from resnet_gen.generate.torch_names import check_member_name
from resnet_gen.generate.training_code import write_drop_rates, write_zero_norms
from resnet_gen.system.templates import render


def files(subject: CodeSubject) -> dict[str, str]:
    """The one file: classes for the network and each of its kinds of modules, and one around it if it is served."""
    subject = widen_subject(subject)
    graph, classes = subject.graph, classes_of_spec(subject.loaded, spreads=True).all
    language, (*inner, network) = _PyTorch(classes), classes
    shapes = [graph.input.shape, *(value.shape for value in graph.outputs)]
    body = render(
        "pytorch/classes.py.jinja",
        classes=[language.write_class(kind) for kind in inner],
        network={**language.write_network(network), "doc": describe_network(subject, shapes)},
        drops=write_drop_rates(subject, "p", _DROPS),
        fills=list(_write_fills(subject)),
        zeros=write_zero_norms(subject, "weight", "nn.init.zeros_(parameter)"),
        helpers=language.helpers,
    )
    doc = describe_module(subject, "PyTorch", *describe_training(subject.loaded, graph))
    text = render("pytorch/module.py.jinja", doc=doc, body=body + write_served(subject, network.name, "pytorch"))
    return {f"{subject.module}.py": text}


_DROPS = "[m for m in self.modules() if isinstance(m, StochasticDepth)]"


def _write_fills(subject: CodeSubject) -> Iterator[str]:
    """The lines that set biases which begin at another number than 0."""
    for node in sorted(subject.graph.nodes, key=lambda node: node.name):
        if isinstance(node.op, ops.Conv) and node.op.bias_fill:
            bias = PythonCall("self.get_parameter", [quote_text(f"{node.name}.bias")])
            yield from format_lines("", PythonCall("nn.init.constant_", [bias, repr(node.op.bias_fill)]), INDENT)


class _PyTorch(PythonSyntax):
    """How PyTorch writes what a class is made of and does."""

    tensor, module, layer = "Tensor", "nn.Module", "nn.Module"
    sequence, list_type, mapping_type = "nn.Sequential", "nn.ModuleList", "nn.ModuleDict"
    identity, call, pool = "nn.Identity()", "forward", "nn.MaxPool2d"
    setter = ("self.add_module",)
    modules, operations = MODULES, OPERATIONS

    def check_name(self, word: str) -> str:
        return check_member_name(word)

    def write_access(self, name: str) -> str:
        """`self.conv1`; by its name where Python cannot spell that."""
        first, _, rest = name.partition(".")
        return (
            super().write_access(name)
            if is_attribute_name(first) and "." not in rest
            else f"self.get_submodule({quote_text(name)})"
        )

    def write_iteration(self, name: str) -> str:
        reached = self.write_access(name)
        return reached if is_attribute_name(name) else f"{reached}.children()"

    def write_choice(self, member: ClassMember, there: str, instead: str) -> str:
        if is_attribute_name(member.name):
            return super().write_choice(member, there, instead)
        return f"{there} if hasattr(self, {quote_text(member.name)}) else {instead}"

    def is_plainly_typed(self, text: str) -> bool:
        return text.startswith(("F.", "torch."))

    def list_activation_words(self, op: ops.Activation, *, fresh: bool) -> list[str]:
        _, function, overwrites = FUNCTIONS[op.function]
        slope = [repr(op.slope)] if op.sloped else []
        return [function, *slope, *(["inplace=True"] if fresh and overwrites else [])]

    def write_expression(self, op: ops.Op, given: Sequence[str], settings: OperationArguments, *, fresh: bool) -> str:
        self._note_helpers(op)
        return super().write_expression(op, given, settings, fresh=fresh)

    def write_module(self, what: OperationCall, *, fresh: bool) -> PythonText:
        op = what.leaf.op
        self._note_helpers(op)
        if isinstance(op, ops.Activation):
            return PythonCall(f"nn.{FUNCTIONS[op.function][0]}", self.list_activation_words(op, fresh=fresh)[1:])
        return PythonCall(*find_constructor(what, {**MODULES, **IN_CHAINS}))

    def write_optional(self, name: str, condition: str, made: PythonText, *, handed_on: bool) -> list[str]:
        """A member that is replaced where it is there."""
        first = [f"self.{name}: nn.Module | None = None"] if is_attribute_name(name) else []
        if handed_on:
            first = (
                [f"self.{name}: nn.Module = {self.identity}"]
                if first
                else self.write_assignment(name, self.identity, INDENT)
            )
        return [*first, f"if {condition}:", *indent_lines(self.write_assignment(name, made, INDENT + 4))]

    def write_named_members(self, members: Sequence[tuple[str, PythonText]]) -> list[PythonText]:
        """`OrderedDict(conv=nn.Conv2d(...))`."""
        if all(is_attribute_name(name) for name, _ in members):
            return [PythonCall("OrderedDict", [KeywordPair(f"{name}=", text) for name, text in members])]
        pairs = [KeywordPair(f"{quote_text(name)}: ", text) for name, text in members]
        return [PythonCall("OrderedDict", [PythonCall("", pairs, "{}")])]

    def write_counted_members(self, key: str, clause: str) -> PythonText:
        """`OrderedDict((f"block{index}", layer) for index, layer in enumerate(layers))`."""
        return PythonCall("OrderedDict", [GeneratorExpression(PythonCall("", [key, "layer"]), clause, starred=False)])

    def _note_helpers(self, op: ops.Op) -> None:
        if type(op) in HELPERS:
            self.helpers.add(HELPERS[type(op)])
        if isinstance(op, ops.MaxPool) and op.zeros:
            self.helpers.add("ZeroMaxPool2d")
        if isinstance(op, ops.Conv) and op.standardize is not None:
            self.helpers.add("StdConv2d")

"""`docs/api.md`: the Python API, out of its signatures and docstrings."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import resnet_gen
from resnet_gen.api import (
    arguments,
    building,
    checking,
    evaluating,
    generating,
    graphs,
    profiling,
    projects,
    running,
    specs,
    wrapping,
)
from resnet_gen.build import output_kinds
from resnet_gen.engine import names
from resnet_gen.onnx.wrapping import request
from resnet_gen.ops import counters, precision, runtime_words
from resnet_gen.system.templates import render
from resnet_gen.weights import base

COMMANDS = {
    "list": "list_specs",
    "show": "show",
    "count": "count, count_as",
    "verify": "verify",
    "rule": "explain_rule",
    "diff": "diff",
    "build": "build, build_project, emit_onnx, build_engine, report",
    "generate": "generate",
    "weights": "convert_weights, prune_weights",
    "wrap": "wrap",
    "run": "run",
    "check-engine": "check_engine",
    "targets": "list_targets, load_target",
    "predict": "predict",
    "bench": "bench",
    "evaluate": "evaluate, evaluate_project",
    "profile": "profile",
    "import": "import_file",
    "schema": "json_schema",
    "init": "new_spec",
}
"""The functions of each command; what has none stands below."""
WITHOUT = {
    "lock": "it writes and compares one file of a project, which is found from the folder that it runs in",
    "review": "it compares a project's folder with a git revision; `diff` takes single specs of revisions",
}
"""Commands without a function, and why."""
ARGUMENTS = {
    "--set": "settings",
    "--for": "device",
    "--sm": "compute_capabilities",
    "--target": "target, library",
    "--fold-bn": "fold",
    "--io": "typed_io",
    "--qdq": "placement",
    "--backend": "runtime",
    "--force": "replace",
    "--cut": "cuts",
    "--rename": "renames",
    "--no-proof": "proof",
}
"""What arguments are called that options, and so messages, call otherwise."""

_SECTION = re.compile(r"^(Args|Returns|Raises|Source|Example):$", re.MULTILINE)
_ENTRY = re.compile(r"^(\S[^:]*): ", re.MULTILINE)
_PAGE = re.compile(r"\bdocs/([\w/]+\.md)")
_PARENTHESIS = re.compile(r" \(docs/[^)]*\)")
_WIDE = 88


class Described(NamedTuple):
    """A function: its signature, what it does, its arguments and errors by name, and its example."""

    name: str
    signature: str
    summary: str
    text: str
    args: list[tuple[str, str]]
    type: str
    returns: str
    raises: list[tuple[str, str]]
    source: str
    example: str


class Field(NamedTuple):
    """A field, a property or a method of a type, or a form that arguments have."""

    name: str
    type: str
    text: str


def api_page() -> str:
    """The page: every function by its subject, and the types that they take and return."""
    subjects = (specs, graphs, building, projects, generating, checking, running, evaluating, profiling, wrapping)
    modules = [_module(module) for module in subjects]
    kinds = [_type(getattr(import_module(f"resnet_gen.{home}"), name)) for name, home in resnet_gen.TYPES.items()]
    formal = (arguments, base, counters, precision, output_kinds, building, names, runtime_words, request)
    forms = [form for module in formal for form in _forms(module)]
    return render(
        "docs/api.md.jinja",
        modules=modules,
        kinds=kinds,
        forms=forms,
        brief=lambda text: _PARENTHESIS.sub("", text),
        linked=linked,
        typed=typed,
        commands=COMMANDS,
        without=WITHOUT,
        arguments=ARGUMENTS,
    )


def _module(module: ModuleType) -> tuple[str, str, list[Described]]:
    """A module's title, what stands below it, and its functions."""
    title, _, text = (module.__doc__ or "").strip().partition(": ")
    home = module.__name__.removeprefix("resnet_gen.")
    names = [name for name, where in resnet_gen.FUNCTIONS.items() if where == home]
    return title, f"{text[0].upper()}{text[1:]}", [described(getattr(module, name)) for name in names]


def described(function: Any) -> Described:
    """What a function's signature and docstring say."""
    head, *rest = _SECTION.split(inspect.getdoc(function) or "")
    parts = {name: inspect.cleandoc(text) for name, text in zip(rest[::2], rest[1::2], strict=True)}
    summary, _, text = head.strip().partition("\n")
    return Described(
        function.__name__,
        _signature(function),
        summary,
        text.strip(),
        _entries(parts.get("Args", "")),
        inspect.signature(function).return_annotation,
        _joined(parts.get("Returns", "")),
        _entries(parts.get("Raises", "")),
        _joined(parts.get("Source", "")),
        parts.get("Example", "").replace("<BLANKLINE>", ""),
    )


def _signature(function: Any) -> str:
    """The signature as its source has it: on one line if it fits, else with a line for each argument."""
    signature = inspect.signature(function)
    args, star = [], False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            args.append("*")
            star = True
        args.append(_argument(parameter))
    end = f" -> {signature.return_annotation}"
    line = f"{function.__name__}({', '.join(args)}){end}"
    if len(line) <= _WIDE:
        return line
    return "\n".join([f"{function.__name__}(", *(f"    {arg}," for arg in args), f"){end}"])


def _argument(parameter: inspect.Parameter) -> str:
    """An argument with its type as it is written, and its default."""
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    shown = json.dumps(parameter.default) if isinstance(parameter.default, str) else repr(parameter.default)
    default = "" if parameter.default is parameter.empty else f" = {shown}"
    return f"{stars}{parameter.name}: {parameter.annotation}{default}"


def _entries(text: str) -> list[tuple[str, str]]:
    """Names with what is said of each, of a section that has a paragraph for each."""
    _, *parts = _ENTRY.split(text)
    return [(name.lstrip("*"), _joined(said)) for name, said in zip(parts[::2], parts[1::2], strict=True)]


def _joined(text: str) -> str:
    return " ".join(text.split())


def linked(text: str) -> str:
    """Prose in which pages of docs/ are links."""
    return _PAGE.sub(r"[\1](\1)", text)


def typed(annotation: str) -> str:
    """A type as code, and as a link where it is described here."""
    name = next((name for name in resnet_gen.TYPES if re.search(rf"\b{name}\b", annotation)), None)
    return f"[`{annotation}`](#{name.lower()})" if name else f"`{annotation}`"


def _type(kind: type) -> tuple[str, str, list[Field], list[Field]]:
    """A type's name, what it is, its fields, and its properties and methods, with those that it inherits."""
    bodies = [_body(base) for base in reversed(kind.__mro__) if _is_documented(base)]
    text = inspect.cleandoc(ast.get_docstring(bodies[-1]) or "")
    more = [
        _member(node)
        for body in reversed(bodies)
        for node in body.body
        if isinstance(node, ast.FunctionDef) and _public(node)
    ]
    return kind.__name__, text, [f for body in bodies for f in _fields(body) if not f.name.startswith("_")], more


def _is_documented(kind: type) -> bool:
    return kind.__module__.startswith("resnet_gen.") and not kind.__name__.startswith("_")


def _body(kind: type) -> ast.ClassDef:
    tree = ast.parse(inspect.getsource(kind))
    return next(node for node in tree.body if isinstance(node, ast.ClassDef))


def _public(node: ast.FunctionDef) -> bool:
    return bool(not node.name.startswith("_") and ast.get_docstring(node))


def _member(node: ast.FunctionDef) -> Field:
    """A property, or a method with its arguments."""
    returned = ast.unparse(node.returns) if node.returns else ""
    text = (ast.get_docstring(node) or "").split("\n\n")[0]
    if any("property" in ast.unparse(mark) for mark in node.decorator_list):
        return Field(node.name, returned, _joined(text))
    args = ast.unparse(node.args).removeprefix("self").removeprefix(", ")
    return Field(f"{node.name}({args})", returned, _joined(text))


def _fields(body: ast.ClassDef | ast.Module) -> Iterator[Field]:
    """Annotated names, with the text that stands below each, or in its description."""
    for node, after in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            below = after.value if isinstance(after, ast.Expr) else None
            text = below.value if isinstance(below, ast.Constant) else _description(node)
            yield Field(node.target.id, ast.unparse(_Plain().visit(node.annotation)), _joined(str(text or "")))


def _description(node: ast.AnnAssign) -> str:
    """What a pydantic field says of itself."""
    words = getattr(node.value, "keywords", [])
    return next((ast.literal_eval(word.value) for word in words if word.arg == "description"), "")


class _Plain(ast.NodeTransformer):
    """Types as one reads them: without what pydantic checks beside them, without quotes, choices with bars."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if ast.unparse(node.value) == "Literal":
            return node
        self.generic_visit(node)
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else []
        if ast.unparse(node.value) == "Union":
            return reduce(lambda a, b: ast.BinOp(a, ast.BitOr(), b), inside)
        return inside[0] if ast.unparse(node.value) == "Annotated" else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.parse(node.value, mode="eval").body if isinstance(node.value, str) else node


def _forms(module: ModuleType) -> Iterator[Field]:
    """The forms of arguments that a module names and describes."""
    tree = ast.parse(inspect.getsource(module))
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias" and node.value:
            below = after.value if isinstance(after, ast.Expr) else None
            if isinstance(below, ast.Constant):
                shown = ast.unparse(_Plain().visit(node.value))
                yield Field(ast.unparse(node.target), shown, _joined(str(below.value)))

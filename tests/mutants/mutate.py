"""Places of the core where one thing can be changed, and the code with that changed."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
CORE = (
    "ops/arrangement.py", "ops/base.py", "ops/elementwise.py", "ops/layers.py", "ops/pooling.py", "ops/types.py",
    "graph/net.py", "graph/counts.py", "graph/tables.py", "graph/rewiring.py", "graph/repeated_relus.py",
    "language/lower.py", "language/plan.py", "weights/folding.py", "weights/standardization.py", "onnx/writing",
    "quantization/calibration", "quantization/float_types.py", "quantization/linear_as_conv.py",
    "quantization/placement.py", "quantization/precision_error.py", "quantization/signal_to_noise.py",
    "build/bundle.py", "build/triton.py", "build/trtexec.py", "verify", "generate/report.py",
    "compare/against", "compare/formats", "compare/report.py",
)  # fmt: skip
"""What is mutated, below `resnet_gen`."""


class Mutant(NamedTuple):
    """One change of one file: the `number`-th that can be made of it."""

    file: str
    number: int
    line: int
    function: str
    """The function that it is in; empty at the top of a module or class."""
    old: str
    new: str
    key: str
    """What calls it in the list of survivors: it outlives lines that move."""


def mutants() -> list[Mutant]:
    """Every mutant of the core, in order."""
    return [mutant for file in files() for mutant in of_file(file)]


def sampled(count: int, seed: int = 1, rooms: Sequence[str] = ()) -> list[Mutant]:
    """So many of them; those of a smaller sample are the first of a larger one. Of these, those in some rooms alone.

    They are drawn by what they are called, so that a change of the code changes few of them; by the former place of a
    file that has moved, so that a move changes none.
    """
    drawn = sorted(mutants(), key=lambda mutant: hashlib.sha256(f"{seed} {_drawn_as(mutant)}".encode()).digest())
    return [mutant for mutant in drawn[:count] if not rooms or any(is_in(mutant.file, room) for room in rooms)]


def is_in(file: str, room: str) -> bool:
    """Whether a file of the core is in this folder below `resnet_gen`, or is that file."""
    return f"{file}/".startswith(f"resnet_gen/{room.strip('/')}/")


def _drawn_as(mutant: Mutant) -> str:
    return _former_places().get(mutant.file, mutant.file) + mutant.key.removeprefix(mutant.file)


@cache
def _former_places() -> dict[str, str]:
    """Where files stood when the sample was first drawn."""
    lines = Path(__file__).with_name("former_places.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def files() -> list[str]:
    """The files of the core, as paths in the repository."""
    package = ROOT / "resnet_gen"
    found = [path for name in CORE for path in sorted((package / name).rglob("*.py")) or [package / name]]
    return [path.relative_to(ROOT).as_posix() for path in found]


def of_file(file: str) -> list[Mutant]:
    """The mutants of one file."""
    finder = _Finder()
    finder.visit(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    found, seen = [], Counter[str]()
    for number, change in enumerate(finder.changes):
        key = f"{file}:{change.function}: {change.old} -> {change.new}"
        seen[key] += 1
        key += f" ({seen[key]})" if seen[key] > 1 else ""
        found.append(Mutant(file, number, change.line, change.function, change.old, change.new, key))
    return found


def mutated(source: str, number: int) -> ast.Module:
    """The code of a file with one change made."""
    tree = ast.parse(source)
    finder = _Finder()
    finder.visit(tree)
    finder.changes[number].make()
    return ast.fix_missing_locations(tree)


class _Change(NamedTuple):
    line: int
    function: str
    old: str
    new: str
    make: Callable[[], None]


_COMPARED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}  # fmt: skip
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}


class _Finder(ast.NodeVisitor):
    """Collects what can be changed, in the order of the code; types and docstrings are left out."""

    def __init__(self) -> None:
        self.changes: list[_Change] = []
        self._inside: list[str] = []

    def _add(self, node: Any, field: str, value: Any, index: int | None = None) -> None:
        """A change of one field of a node, or of one element of that."""
        holder, place = (node.__dict__, field) if index is None else (getattr(node, field), index)
        before, old = holder[place], ast.unparse(node)
        holder[place] = value
        new = ast.unparse(ast.fix_missing_locations(node))
        holder[place] = before
        self._tell(node.lineno, old, new, lambda: holder.__setitem__(place, value))

    def _tell(self, line: int, old: str, new: str, make: Callable[[], None]) -> None:
        function = self._inside[-1] if self._inside else ""
        self.changes.append(_Change(line, function, _short(old), _short(new), make))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside.append(node.name)
        self._statements(node)
        for part in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
            self.visit(part)
        self._inside.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in node.body:  # its decorators are declarations: frozen or not, it does the same
            self.visit(part)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value and "TypeAlias" not in ast.unparse(node.annotation):
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self._negate(node)
            self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._negate(node)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node)
        self.generic_visit(node)

    def _negate(self, node: ast.If | ast.While | ast.IfExp) -> None:
        if isinstance(test := node.test, (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Constant)):
            return
        text, opposite = ast.unparse(test), ast.UnaryOp(ast.Not(), test)
        self._tell(test.lineno, f"if {text}", f"if not {text}", lambda: setattr(node, "test", opposite))

    def visit_Compare(self, node: ast.Compare) -> None:
        for index, operator in enumerate(node.ops):
            self._add(node, "ops", _COMPARED[type(operator)](), index)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._add(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in _COMPUTED:
            self._add(node, "op", _COMPUTED[type(node.op)]())
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if type(node.op) in _COMPUTED:
            self._add(node, "op", _COMPUTED[type(node.op)]())
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub):
            self._add(node, "op", ast.UAdd())
        elif isinstance(node.op, ast.Not):
            self._add(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._add(node, "value", not node.value)
        elif isinstance(node.value, (int, float)):
            self._add(node, "value", node.value + 1)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value and ast.unparse(node.value) != "None":
            self._add(node, "value", ast.Constant(None))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in _CALLED:
            self._add(node, "func", ast.Name(_CALLED[node.func.id], ast.Load()))
        self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            self._statements(node)
        super().generic_visit(node)

    def _statements(self, node: ast.stmt) -> None:
        """A call for its effect that is not made, and a loop that is left or gone on with."""
        for field in ("body", "orelse", "finalbody"):
            for index, statement in enumerate(getattr(node, field, None) or ()):
                if isinstance(statement, ast.Expr) and isinstance(
                    statement.value, (ast.Call, ast.Yield, ast.YieldFrom)
                ):
                    self._put(node, field, index, statement, ast.Pass())
                elif isinstance(statement, (ast.Continue, ast.Break)):
                    other = ast.Break() if isinstance(statement, ast.Continue) else ast.Continue()
                    self._put(node, field, index, statement, other)

    def _put(self, node: ast.stmt, field: str, index: int, old: ast.stmt, new: ast.stmt) -> None:
        statements = getattr(node, field)
        other = ast.copy_location(new, old)
        self._tell(old.lineno, ast.unparse(old), ast.unparse(new), lambda: statements.__setitem__(index, other))


def _short(text: str) -> str:
    """One line of at most 100 characters."""
    text = " ".join(text.split())
    return text if len(text) < 100 else text[:97] + "..."

"""Python laid out as ruff does: on one line where it fits, else an argument a line."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 80
"""Characters of a line, inside a method's body; with its indentation, what ruff allows."""


def call(before: str, given: str | Sequence[str], more: Sequence[str] | None = None, *, width: int = WIDTH) -> list[str]:
    """A call as lines: `before` is what stands in front of its bracket, or of the name that `given` then is."""
    if isinstance(given, str):
        before, given = before + given, more or ()
    one = f"{before}({', '.join(given)})"
    if len(one) <= width:
        return [one]
    inner = ", ".join(given)
    if len(inner) + 4 <= width and len(given) == 1:
        return [f"{before}(", f"    {inner}", ")"]
    return [f"{before}(", *(f"    {text}," for text in given), ")"]


def indented(lines: Sequence[str]) -> list[str]:
    """The lines one level deeper."""
    return [f"    {line}" for line in lines]

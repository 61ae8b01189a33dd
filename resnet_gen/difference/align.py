"""Sequences aligned by what they have in common, in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Key: TypeAlias = Callable[[T], Hashable]
Pairs: TypeAlias = list[tuple[T | None, T | None]]

STEPS = 300_000
"""What aligning two networks may take, at about 1.6 microseconds each."""


class Aligner:
    """Aligns sequences by the fewest insertions and deletions (Myers 1986), as long as its steps last.

    Equal beginnings and ends cost nothing. Where the steps are used up, what is left is paired in order.
    """

    def __init__(self, steps: int = STEPS) -> None:
        self._left = steps

    def align(self, first: Sequence[T], second: Sequence[T], keys: Sequence[Key[T]], rest: bool = True) -> Pairs[T]:
        """Both sequences in one order, each item with its partner or None.

        Items of equal `keys[0]` are paired first; between those, items of equal `keys[1]`, and so on. What
        is left between two pairs is paired in order if `rest`.
        """
        if not first or not second or not keys:
            return _in_order(first, second, rest)
        key, *looser = keys
        ours, theirs = _numbers(list(map(key, first)), list(map(key, second)))
        found: list[tuple[T | None, T | None]] = []
        i = j = 0
        for a, b in [*self._common(ours, theirs), (len(first), len(second))]:
            between: Pairs[T] = self.align(first[i:a], second[j:b], looser, rest)
            found += between
            found += zip(first[a : a + 1], second[b : b + 1], strict=True)
            i, j = a + 1, b + 1
        return found

    def _common(self, a: list[int], b: list[int]) -> list[tuple[int, int]]:
        """Indices of a longest common subsequence."""
        start, shorter = 0, min(len(a), len(b))
        while start < shorter and a[start] == b[start]:
            start += 1
        end = 0
        while end < shorter - start and a[-1 - end] == b[-1 - end]:
            end += 1
        inner = self._inner(a[start : len(a) - end], b[start : len(b) - end])
        return [
            *((n, n) for n in range(start)),
            *((i + start, j + start) for i, j in inner),
            *((len(a) - n, len(b) - n) for n in range(end, 0, -1)),
        ]

    def _inner(self, a: list[int], b: list[int]) -> list[tuple[int, int]]:
        """The same for sequences that begin and end differently; nothing once the steps are used up."""
        if not set(a) & set(b):
            return []
        reached = {1: 0}
        trail: list[dict[int, int]] = []
        for edits in range(len(a) + len(b) + 1):
            trail.append(reached)
            reached = {}
            for diagonal in range(-edits, edits + 1, 2):
                x = self._furthest(trail[-1], diagonal, a, b)
                reached[diagonal] = x
                if x >= len(a) and x - diagonal >= len(b):
                    return _traced(trail, len(a), len(b))
            if self._left <= 0:
                return []
        return []

    def _furthest(self, reached: dict[int, int], diagonal: int, a: list[int], b: list[int]) -> int:
        """How far into `a` one more edit leads on a diagonal, equal items behind it included."""
        x = begin = max(reached.get(diagonal + 1, -1), reached.get(diagonal - 1, -2) + 1)
        while x < len(a) and x - diagonal < len(b) and a[x] == b[x - diagonal]:
            x += 1
        self._left -= 1 + x - begin
        return x


def _traced(trail: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    """The equal items on the way back from the end."""
    found = []
    for reached in reversed(trail):
        diagonal = x - y
        above, left = reached.get(diagonal + 1, -1), reached.get(diagonal - 1, -2) + 1
        begin = max(above, left)
        while x > begin:
            x, y = x - 1, y - 1
            found.append((x, y))
        x, y = (begin, begin - diagonal - 1) if above >= left else (begin - 1, begin - diagonal)
    return found[::-1]


def _numbers(first: list[Hashable], second: list[Hashable]) -> tuple[list[int], list[int]]:
    """Both lists with a number for each of their items, the same for equal ones: they are compared quickly."""
    known: dict[Hashable, int] = {}
    return tuple([known.setdefault(item, len(known)) for item in items] for items in (first, second))  # type: ignore[return-value]


def _in_order(first: Sequence[T], second: Sequence[T], paired: bool) -> Pairs[T]:
    both = min(len(first), len(second)) if paired else 0
    found: Pairs[T] = list(zip(first[:both], second[:both], strict=True))
    return [*found, *((a, None) for a in first[both:]), *((None, b) for b in second[both:])]

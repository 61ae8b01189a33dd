"""Sequences aligned by what they have in common, in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias, TypeVar

T = TypeVar("T")
AlignmentKey: TypeAlias = Callable[[T], Hashable]
Pairs: TypeAlias = list[tuple[T | None, T | None]]

STEPS = 300_000
"""How far aligning two networks looks widely, at about a microsecond a step."""
WIDE, NARROW = 400, 16
"""Insertions and deletions that are looked ahead at once before and after that."""


class Aligner:
    """Aligns sequences by the fewest insertions and deletions (Myers 1986), as far as they are few.

    Equal beginnings and ends cost nothing. Of sequences that have little in common the furthest way is taken,
    window by window, so that the time is bounded by their lengths.
    """

    def __init__(self, steps: int = STEPS) -> None:
        self._left = steps

    def align(
        self, first: Sequence[T], second: Sequence[T], keys: Sequence[AlignmentKey[T]], rest: bool = True
    ) -> Pairs[T]:
        """Both sequences in one order, each item with its partner or None.

        Items of equal `keys[0]` are paired first; between those, items of equal `keys[1]`, and so on. What
        is left between two pairs is paired in order if `rest`.
        """
        if not first or not second or not keys:
            return _pair_in_order(first, second, rest)
        key, *looser = keys
        ours, theirs = _number_items(list(map(key, first)), list(map(key, second)))
        found: list[tuple[T | None, T | None]] = []
        i = j = 0
        for a, b in [*self._find_common(ours, theirs), (len(first), len(second))]:
            between: Pairs[T] = self.align(first[i:a], second[j:b], looser, rest)
            found += between
            found += zip(first[a : a + 1], second[b : b + 1], strict=True)
            i, j = a + 1, b + 1
        return found

    def _find_common(self, a: list[int], b: list[int]) -> list[tuple[int, int]]:
        """Indices of a longest common subsequence."""
        start, shorter = 0, min(len(a), len(b))
        while start < shorter and a[start] == b[start]:
            start += 1
        end = 0
        while end < shorter - start and a[-1 - end] == b[-1 - end]:
            end += 1
        middle = a[start : len(a) - end], b[start : len(b) - end]
        inner = self._find_common_inside(*middle) if set(middle[0]) & set(middle[1]) else []
        return [
            *((n, n) for n in range(start)),
            *((i + start, j + start) for i, j in inner),
            *((len(a) - n, len(b) - n) for n in range(end, 0, -1)),
        ]

    def _find_common_inside(self, a: list[int], b: list[int]) -> list[tuple[int, int]]:
        """The same for sequences that begin and end differently, window by window."""
        found: list[tuple[int, int]] = []
        x = y = 0
        while x < len(a) and y < len(b):
            pairs = self._align_window(a, b, x, y)
            *inside, (x, y) = pairs
            found += inside
        return found

    def _align_window(self, a: list[int], b: list[int], x: int, y: int) -> list[tuple[int, int]]:
        """What is common from (x, y) on, as far as some edits lead, and where they lead to."""
        reached = {1: 0}
        trail: list[dict[int, int]] = []
        for edits in range((WIDE if self._left > 0 else NARROW) + 1):
            trail.append(reached)
            reached = {}
            for diagonal in range(-edits, edits + 1, 2):
                begin = _extend_diagonal(trail[-1], diagonal)
                end = begin
                while x + end < len(a) and y + end - diagonal < len(b) and a[x + end] == b[y + end - diagonal]:
                    end += 1
                self._left -= 1 + end - begin
                reached[diagonal] = end
                if x + end >= len(a) and y + end - diagonal >= len(b):
                    return _trace_back(trail, x, y, end, diagonal)
        inside = {d: n for d, n in reached.items() if x + n <= len(a) and 0 <= n - d <= len(b) - y}
        furthest = max(inside, key=lambda d: 2 * inside[d] - d)
        return _trace_back(trail, x, y, inside[furthest], furthest)


def _extend_diagonal(reached: dict[int, int], diagonal: int) -> int:
    """Where one more edit leads to on a diagonal."""
    return max(reached.get(diagonal + 1, -1), reached.get(diagonal - 1, -2) + 1)


def _trace_back(trail: list[dict[int, int]], x: int, y: int, end: int, diagonal: int) -> list[tuple[int, int]]:
    """The equal items on the way from (x, y) to where it ends, and that place."""
    found = [(x + end, y + end - diagonal)]
    for reached in reversed(trail):
        begin = _extend_diagonal(reached, diagonal)
        found += [(x + n, y + n - diagonal) for n in range(end - 1, begin - 1, -1)]
        above = reached.get(diagonal + 1, -1) == begin
        end, diagonal = (begin, diagonal + 1) if above else (begin - 1, diagonal - 1)
    return found[::-1]


def _number_items(first: list[Hashable], second: list[Hashable]) -> tuple[list[int], list[int]]:
    """Both lists with a number for each of their items, the same for equal ones: they are compared quickly."""
    known: dict[Hashable, int] = {}
    return tuple([known.setdefault(item, len(known)) for item in items] for items in (first, second))  # type: ignore[return-value]


def _pair_in_order(first: Sequence[T], second: Sequence[T], paired: bool) -> Pairs[T]:
    both = min(len(first), len(second)) if paired else 0
    found: Pairs[T] = list(zip(first[:both], second[:both], strict=True))
    return [*found, *((a, None) for a in first[both:]), *((None, b) for b in second[both:])]

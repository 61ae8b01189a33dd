"""Patterns of zeros that hardware skips."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

SparsePattern: TypeAlias = Literal["2:4"]
"""Of so many weights in a row, so many are not zero: NVIDIA's tensor cores skip two of four, from Ampere on."""
SPARSE_PATTERNS: tuple[SparsePattern, ...] = get_args(SparsePattern)
GROUP, MOST_NONZERO = 4, 2
"""The weights of a group, and how many of them may be other than zero."""

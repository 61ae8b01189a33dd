"""Checks of pydantic's that stop a long mapping or list before each of its entries becomes a fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def limit_entries(entries: int) -> Callable[[Any], Any]:
    """A check of pydantic's that a mapping or a list has no more entries, before each of them becomes a fault."""

    def check(value: Any) -> Any:
        if isinstance(value, (dict, list)) and len(value) > entries:
            raise ValueError(f"more than {entries:,} entries")
        return value

    return check

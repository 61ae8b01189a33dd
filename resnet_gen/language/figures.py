"""Figures as papers print them: `3.8e9`, `25.5M`, `152`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

FIGURE = r"([0-9]{1,18}(?:\.[0-9]{1,12})?)(?:e([0-9]{1,2})|([KMG]))?"
"""What a printed figure looks like: its digits, and a power of ten or a letter for one."""
_FORM = re.compile(FIGURE + r"\Z")
_EXPONENT = {None: 0, "K": 3, "M": 6, "G": 9}


class PrintedError(ValueError):
    """A text that is not a figure; the message says what is."""


class PrintedFigure(NamedTuple):
    """A printed figure: its value, and the unit of its last digit, both exact."""

    text: str
    value: Decimal
    unit: Decimal

    @classmethod
    def parse(cls, text: str) -> PrintedFigure:
        """Read `text`; raises `PrintedError` if it is no figure."""
        match = _FORM.match(text)
        if match is None:
            raise PrintedError(f"'{text}' is not a printed figure")
        digits, exponent, suffix = match.groups()
        power = int(exponent) if exponent else _EXPONENT[suffix]
        decimals = len(digits.partition(".")[2])
        return cls(text, Decimal(digits).scaleb(power), Decimal(1).scaleb(power - decimals))

    def admits(self, exact: int) -> bool:
        """Whether `exact` is within one unit of the last printed digit."""
        return abs(exact - self.value) < self.unit

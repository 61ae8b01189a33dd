"""What becomes of the head of a network whose weights are converted."""

from __future__ import annotations

from typing import Literal, get_args

HeadChange = Literal["drop", "init"]
HEADS: tuple[HeadChange, ...] = get_args(HeadChange)
HINT = "--head init draws the head anew, --head drop leaves it out"

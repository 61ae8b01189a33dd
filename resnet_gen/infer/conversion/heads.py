"""What becomes of the head of a network whose weights are converted."""

from __future__ import annotations

from typing import Literal, get_args

Head = Literal["drop", "init"]
HEADS: tuple[Head, ...] = get_args(Head)
HINT = "--head init draws the head anew, --head drop leaves it out"

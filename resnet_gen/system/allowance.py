"""How much of something a file may ask for: a few bytes of it can ask for any amount of work or memory."""

from __future__ import annotations

from collections.abc import Callable


class Allowance:
    """What is left of something that may be taken; `fault` makes what is raised when more is wanted."""

    def __init__(self, left: int, fault: Callable[[], Exception]) -> None:
        self.left, self._fault = left, fault

    def take(self, amount: int = 1) -> None:
        """Take so much; raises the fault when there is not so much left."""
        self.left -= amount
        if self.left < 0:
            raise self._fault()

"""What a rule is."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from resnet_gen.problems import Loc, Problem
from resnet_gen.verify.subject import Subject


class Explained:
    """Something that can be found, by its id; the docstring is its explanation.

    The docstring's first line says what is kept where nothing is found. Then come, in Markdown: what is checked and
    why, with its source; an indented spec that breaks the rule, after a line that ends in `breaks it:`; how to mend
    it. `resnet-gen rule ID` and docs/rules/ show it.
    """

    id: ClassVar[str]

    @classmethod
    def summary(cls) -> str:
        """The first line of the explanation."""
        return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]

    @classmethod
    def explanation(cls) -> str:
        """All of it but the first line."""
        return inspect.cleandoc(cls.__doc__ or "").partition("\n")[2].strip("\n")


class Rule(Explained, ABC):
    """A rule that specs are held to."""

    def covers(self, subject: Subject) -> str:
        """What it compares this subject with, in a few words; empty where that goes without saying."""
        return ""

    @abstractmethod
    def check(self, subject: Subject) -> Iterator[Problem]:
        """Every place where the subject breaks the rule; raises `Refused` where that cannot be told."""

    def remarks(self, subject: Subject) -> Iterator[Problem]:
        """What is to be said of this subject once it was checked, and is no finding."""
        return iter(())

    def finding(self, subject: Subject, loc: Loc, message: str, hint: str | None = None) -> Problem:
        """This rule, broken at the line of the spec that states what stands at `loc`."""
        return Problem(message, subject.loaded.source.span(loc), hint, self.id)

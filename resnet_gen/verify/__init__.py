"""The contract of a spec, checked: what each rule finds about a specification and its graph.

`verify` has a graph already; `outcome.examine` starts from a name, and heeds comments that suppress findings.
"""

from __future__ import annotations

from collections.abc import Iterable

from resnet_gen.count import count
from resnet_gen.graph import Graph
from resnet_gen.load import Loaded
from resnet_gen.problems import Problem
from resnet_gen.verify.rules import RULES, STANDARD
from resnet_gen.verify.rules.base import Explained, Rule
from resnet_gen.verify.subject import Subject

__all__ = ["RULES", "STANDARD", "Explained", "Rule", "Subject", "verify"]


def verify(loaded: Loaded, graph: Graph, rules: Iterable[Rule] = STANDARD) -> list[Problem]:
    """Every finding about one specification, in the order of the rules."""
    subject = Subject(loaded, graph, count(graph))
    return [finding for rule in rules for finding in rule.check(subject)]

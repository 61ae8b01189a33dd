"""A specification and its graph, checked by rules, before comments suppress anything."""

from __future__ import annotations

from collections.abc import Iterable

from resnet_gen.graph import Graph
from resnet_gen.graph.counts import count
from resnet_gen.language.load import Loaded
from resnet_gen.problems import Problem
from resnet_gen.verify.rules import STANDARD
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.subject import Subject


def verify(loaded: Loaded, graph: Graph, rules: Iterable[Rule] = STANDARD) -> list[Problem]:
    """Every finding about one specification, in the order of the rules."""
    subject = Subject(loaded, graph, count(graph))
    return [finding for rule in rules for finding in rule.check(subject)]

"""`docs/rules/`: the rules of `verify`, explained."""

from __future__ import annotations

from resnet_gen.verify.rules import RULES
from resnet_gen.verify.rules.base import Explained

_INTRODUCTION = """\
# Rules

What `resnet-gen verify` holds specs to. `resnet-gen rule ID` prints the same pages; how findings are reported and
suppressed stands in [verify.md](../verify.md).

| rule | |
|---|---|
"""


def rule_pages() -> dict[str, str]:
    """Every page by the name of its file: one a rule, and the table of all."""
    table = "".join(f"| [`{rule}`]({rule}.md) | {kind.summary()} |\n" for rule, kind in RULES.items())
    return {"README.md": _INTRODUCTION + table, **{f"{rule}.md": _page(kind) for rule, kind in RULES.items()}}


def _page(kind: type[Explained]) -> str:
    return f"# {kind.id}\n\n**{kind.summary()}**\n\n{kind.explanation()}\n"

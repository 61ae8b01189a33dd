"""For code scanning: SARIF 2.1.0, without dates and paths of a machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_from_bytes

from resnet_gen import __version__
from resnet_gen.problems import json_text, visible
from resnet_gen.verify.outcome import Finding, FindingPlace, Outcome, format_advice
from resnet_gen.verify.rules import RULES

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"


def render(outcomes: Sequence[Outcome]) -> str:
    """One run: the rules with their explanations, the files that were verified, and every finding.

    What a comment suppresses is a result that says so, with the comment's reason.
    """
    covered = {rule for outcome in outcomes for rule in outcome.rules}
    rules = [rule for rule in RULES if rule in covered]
    findings = [finding for outcome in outcomes for finding in outcome.all]
    files = [*(o.file for o in outcomes), *(f.place.file for f in findings)]
    artifacts = {file: number for number, file in enumerate(dict.fromkeys(filter(None, files)))}
    run = {
        "tool": {
            "driver": {"name": "resnet-gen", "version": __version__, "rules": [_describe_rule(rule) for rule in rules]}
        },
        "invocations": [{"executionSuccessful": not any(outcome.invalid for outcome in outcomes)}],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The folder in which resnet-gen was run."}}},
        "artifacts": [{"location": _describe_file(file, artifacts)} for file in artifacts],
        "results": [_describe_finding(finding, rules, artifacts) for finding in findings],
        "columnKind": "utf16CodeUnits",
    }
    return json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}) + "\n"


def _describe_rule(id: str) -> dict[str, Any]:
    rule = RULES[id]
    summary, explanation = rule.summary(), rule.explanation()
    return {
        "id": id,
        "shortDescription": {"text": summary},
        "help": {"text": explanation, "markdown": explanation},
        "defaultConfiguration": {"level": "error"},
    }


def _describe_finding(finding: Finding, rules: Sequence[str], artifacts: dict[str, int]) -> dict[str, Any]:
    reason, severity = finding.reason, finding.problem.severity
    return {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": severity if severity in ("error", "warning") else "note",
        "message": {"text": format_advice(finding)},
        "locations": [{"physicalLocation": _describe_place(finding.place, artifacts)}] if finding.place.file else [],
        # On all results or on none (SARIF 2.1.0, section 3.27.23): empty says that it is not suppressed.
        "suppressions": [] if reason is None else [{"kind": "inSource", "justification": visible(reason)}],
    }


def _describe_place(place: FindingPlace, artifacts: dict[str, int]) -> dict[str, Any]:
    region = {"startLine": place.line, "startColumn": place.column, "endColumn": place.end}
    known = {key: value for key, value in region.items() if value is not None}
    location = {"artifactLocation": _describe_file(str(place.file), artifacts)}
    return {**location, "region": known} if known else location


def _describe_file(file: str, artifacts: dict[str, int]) -> dict[str, Any]:
    return {"uri": quote_from_bytes(os.fsencode(file)), "uriBaseId": _ROOT, "index": artifacts[file]}

"""For CI servers: JUnit XML as Jenkins' xUnit plugin and pytest define it, without times and hosts."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from resnet_gen.problems import several, visible
from resnet_gen.verify.outcome import Finding, Outcome


def render(outcomes: Sequence[Outcome]) -> str:
    """One test suite a spec, one test case a rule that it was held to.

    A rule all of whose findings are suppressed is a skipped test; a spec that cannot be read is an error.
    """
    root = ET.Element("testsuites", name="resnet-gen verify")
    for outcome in outcomes:
        root.append(_build_suite(outcome))
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.attrib[key]) for suite in root)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _build_suite(outcome: Outcome) -> ET.Element:
    suite = ET.Element("testsuite", name=visible(outcome.name))
    suite.extend(_build_case(rule, outcome) for rule in outcome.rules)
    for key, tag in {"tests": "*", "failures": "failure", "errors": "error", "skipped": "skipped"}.items():
        suite.set(key, str(len(suite.findall(f"./{tag}" if tag == "*" else f"./*/{tag}"))))
    if outcome.file:
        suite.set("file", visible(outcome.file))
    return suite


def _build_case(rule: str, outcome: Outcome) -> ET.Element:
    case = ET.Element("testcase", name=rule, classname=f"resnet-gen.{visible(outcome.name)}")
    for tag, every in (("error", outcome.invalid), ("failure", outcome.findings), ("skipped", outcome.suppressed)):
        found = [finding for finding in every if finding.rule == rule]
        if found and not len(case):
            case.append(_build_result(tag, rule, found))
    return case


def _build_result(tag: str, rule: str, found: Sequence[Finding]) -> ET.Element:
    """Why a test did not pass: the first finding, how many more, and all of them as they are printed."""
    first, more = found[0], len(found) - 1
    message = visible(first.message) + (f" (and {several(more, 'more finding')})" if more else "")
    element = ET.Element(tag, message=message, type=rule)
    element.text = "\n\n".join(_format_finding(finding) for finding in found)
    return element


def _format_finding(finding: Finding) -> str:
    shown = str(finding)
    return shown if finding.reason is None else f"{shown}\nsuppressed: {visible(finding.reason)}"

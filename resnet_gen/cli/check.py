"""`verify`: the contract, checked."""

from __future__ import annotations

import json
from typing import Any

import click

from resnet_gen.cli import options
from resnet_gen.problems import Problem, Span


@click.command()
@click.argument("specs", metavar="[SPEC...]", nargs=-1)
@options.settings
@options.output_format("text", "json")
def verify(specs: tuple[str, ...], settings: tuple[str, ...], form: str) -> int:
    r"""Verify claims, reference names and shapes, and the paper's design rules.

    Without a SPEC, all shipped specs are verified. Exit code 1 if anything was found.

    \b
    Example: resnet-gen verify
             resnet-gen verify my-network.yaml
    """
    from resnet_gen.load import load
    from resnet_gen.lower import lower
    from resnet_gen.resources import shipped_specs
    from resnet_gen.verify import verify as findings_of

    found: list[Problem] = []
    for reference in specs or shipped_specs():
        loaded = load(reference, settings)
        findings = findings_of(loaded, lower(loaded))
        found += findings
        if form == "text":
            _print(loaded.spec, findings)
    if form == "json":
        click.echo(json.dumps([_as_dict(problem) for problem in found], indent=2))
    total = len(specs or shipped_specs())
    click.echo(f"{total} spec{'s' * (total != 1)}, {len(found)} finding{'s' * (len(found) != 1)}", err=True)
    return 1 if found else 0


def _print(spec: Any, findings: list[Problem]) -> None:
    claims = f"{len(spec.claims)} claim{'s' * (len(spec.claims) != 1)}"
    reference = f", names and shapes of {spec.reference}" if spec.reference else ""
    click.echo(f"{'failed' if findings else 'ok':6} {spec.name}: {claims}{reference}")
    for finding in findings:
        click.echo(str(finding))


def _as_dict(problem: Problem) -> dict[str, object]:
    where = problem.where
    finding: dict[str, object] = {"rule": problem.rule, "message": problem.message, "hint": problem.hint}
    if isinstance(where, Span):
        finding.update(file=where.document.name, line=where.line + 1, column=where.column + 1)
    return finding

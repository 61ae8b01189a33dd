"""`verify`: the contract, checked."""

from __future__ import annotations

import json
from typing import Any

import click

from resnet_gen.cli import options
from resnet_gen.problems import Problem, Refused, Span, several


@click.command(short_help="Verify claims, reference names and shapes, and design rules.")
@click.argument("specs", metavar="[SPEC...]", nargs=-1)
@options.settings
@options.output_format("text", "json")
def verify(specs: tuple[str, ...], settings: tuple[str, ...], form: str) -> int:
    """Verify claims, reference names and shapes, and the paper's design rules.

    Without a SPEC, all shipped specs are verified. Exit code 1 if anything was found.

    \b
    Example: resnet-gen verify
             resnet-gen verify my-network.yaml
    """
    from resnet_gen.load import load
    from resnet_gen.lower import lower
    from resnet_gen.resources import shipped_specs
    from resnet_gen.verify import verify as findings_of

    found: list[tuple[str, Problem]] = []
    refused: list[Problem] = []
    for reference in specs or shipped_specs():
        try:
            loaded = load(reference, settings)
            findings = findings_of(loaded, lower(loaded))
        except Refused as error:  # the other specs are still worth verifying
            refused += error.problems
            continue
        found += [(loaded.spec.name, finding) for finding in findings]
        if form == "text":
            _print(loaded.spec, findings)
    if form == "json":
        click.echo(json.dumps([_as_dict(*finding) for finding in found], indent=2))
    if refused:
        raise Refused(refused)
    click.echo(f"{several(len(specs or shipped_specs()), 'spec')}, {several(len(found), 'finding')}", err=True)
    return 1 if found else 0


def _print(spec: Any, findings: list[Problem]) -> None:
    claims = several(len(spec.claims), "claim")
    reference = f", names and shapes of {spec.reference}" if spec.reference else ""
    click.echo(f"{'failed' if findings else 'ok':6} {spec.name}: {claims}{reference}")
    for finding in findings:
        click.echo(str(finding))


def _as_dict(spec: str, problem: Problem) -> dict[str, object]:
    where = problem.where
    finding: dict[str, object] = {"spec": spec, "rule": problem.rule, "message": problem.message, "hint": problem.hint}
    if isinstance(where, Span):
        finding.update(file=where.document.name, line=where.line + 1, column=where.column + 1)
    return finding

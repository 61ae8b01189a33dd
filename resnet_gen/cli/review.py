"""`review`: what changed in a project's networks since a git revision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet_gen.cli import options
from resnet_gen.cli.diff_output import check_output, comparison, make_predictor, write_report
from resnet_gen.ops.precision import Precision
from resnet_gen.problems import Problem, Refused, json_text

if TYPE_CHECKING:
    from resnet_gen.cli.projects import VerificationScope
    from resnet_gen.compare.difference.base_revision import ProjectRevisions
    from resnet_gen.compare.difference.revision import RevisionMoves
    from resnet_gen.compare.formats.review import Review


@click.command(short_help="Show what changed in all networks since a git revision.")
@click.argument("specs", metavar="[SPEC...]", nargs=-1)
@click.option("--base", metavar="REVISION", required=True, help="What the networks are compared with, such as main.")
@comparison
@options.gate_parts
@options.project
def review(
    specs: tuple[str, ...],
    base: str,
    device: str | None,
    precision: Precision | None,
    batch: int | None,
    form: str,
    output: Path | None,
    config: Path | None,
    no_config: bool,
) -> int:
    """Show what changed in each network since a git revision, and what verify finds now.

    Without a SPEC, the networks of the project file are compared, and those that are gone are named too. With
    --format markdown it is one comment for a pull request. Exit code 0 if nothing changed, 1 if something
    did, 2 if a spec cannot be read.

    \b
    Example: resnet-gen review --base main
             resnet-gen review nets/*.yaml --base origin/main --format markdown -o comment.md
    """
    from resnet_gen.cli import verify_specs
    from resnet_gen.cli.projects import verification_scope
    from resnet_gen.compare.difference.base_revision import ProjectRevisions
    from resnet_gen.compare.difference.review import review_networks as reviewed
    from resnet_gen.compare.difference.revision import find_moves
    from resnet_gen.compare.formats.review import Review
    from resnet_gen.verify.rule_selection import choose_rules

    predicted = make_predictor(device, precision, batch)
    scope = verification_scope(specs, config, no_config)
    output = check_output(output, scope.read())
    since = find_moves(base)
    projects, unread = _read_projects(scope, since, config, no_config=no_config)
    if projects.before and not (projects.after or specs):
        scope = scope._replace(references=())  # the project file is gone, and lists nothing any more
    networks = reviewed(scope.references, since, ProjectRevisions() if specs else projects)
    outcomes = verify_specs.examine_specs(scope, (), choose_rules(*scope.rules((), ())))
    findings = [finding.problem for outcome in outcomes for finding in outcome.findings]
    terms = () if unread else projects.terms(since)
    changed = [(n.given, n.before, n.after) for n in networks if n.changed]
    latencies = {given: predicted(a, b) for given, a, b in changed if predicted and a and b}
    result = Review(base, networks, findings, latencies, projects.display_name, terms, unread)
    write_report(_format_review(result, form), output)
    return 2 if any(network.unread for network in networks) else int(not result.same)


def _read_projects(
    scope: VerificationScope, since: RevisionMoves, config: Path | None, *, no_config: bool
) -> tuple[ProjectRevisions, tuple[Problem, ...]]:
    """The project file as it was and is, and what is wrong with what it was."""
    from resnet_gen.compare.difference.base_revision import ProjectRevisions, read_former_project

    now = scope.contract.project if scope.contract else None
    try:
        return ProjectRevisions(None if no_config else read_former_project(since, config), now), ()
    except Refused as refused:
        return ProjectRevisions(None, now), refused.problems


def _format_review(review: Review, form: str) -> str:
    from resnet_gen.compare.formats import review as emitter

    if form == "json":
        return json_text(emitter.collect_data(review)) + "\n"
    return emitter.write_markdown(review) if form == "markdown" else emitter.write_text(review)

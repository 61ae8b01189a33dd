"""`verify`: the contract, checked; `rule`: what that means."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from resnet_gen.cli import options
from resnet_gen.cli.output import say_json, say_lines
from resnet_gen.problems import Refused
from resnet_gen.verify.formats import FORMATS
from resnet_gen.weights.downloads.names import METAVAR, WeightsSource, list_local_files


@click.command(short_help="Verify claims, reference names and shapes, and design rules.")
@click.argument("specs", metavar="[SPEC...]", nargs=-1)
@options.settings
@options.gate_parts
@click.option(
    "--format",
    "forms",
    multiple=True,
    type=click.Choice(tuple(FORMATS)),
    default=("text",),
    show_default="text",
    help="How findings are reported; given several times, each needs its --output.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=options.FILE,
    metavar="FILE",
    help="File for the report of the --format at its place; - is stdout.  [default: -]",
)
@click.option("--select", multiple=True, metavar="ID[,ID]", help="Hold specs to these rules alone.")
@click.option("--ignore", multiple=True, metavar="ID[,ID]", help="Hold specs to all rules but these.")
@click.option(
    "--against", type=options.FILE, metavar="FILE", help="ONNX file or engine that must hold the spec's network."
)
@click.option(
    "--weights",
    type=options.WEIGHTS,
    metavar=METAVAR,
    help="Checkpoint whose weights that file must have, and that --evaluate takes where a budget names none.",
)
@click.option("--evaluate", is_flag=True, help="Hold budgets of accuracy too, which runs the networks.")
@options.project
def verify(
    specs: tuple[str, ...],
    settings: tuple[str, ...],
    forms: tuple[str, ...],
    outputs: tuple[Path, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    against: Path | None,
    weights: WeightsSource | None,
    evaluate: bool,
    config: Path | None,
    no_config: bool,
) -> int:
    """Verify claims, reference names and shapes, and the paper's design rules.

    Without a SPEC, those of the project file are verified (docs/contracts.md), or else all shipped ones. Exit code 1
    if anything was found. `resnet-gen rule ID` explains a rule; in a spec, `# resnet-gen: ignore[ID] reason`
    suppresses what it finds on that line.

    \b
    Example: resnet-gen verify
             resnet-gen verify my-network.yaml --format github
             resnet-gen verify --format junit -o junit.xml --format sarif -o findings.sarif
             resnet-gen verify resnet50 --against exported.onnx --weights resnet50.pth
    """
    from resnet_gen.cli import verify_specs
    from resnet_gen.cli.projects import verification_scope
    from resnet_gen.system.project_folder import list_candidates
    from resnet_gen.verify.rule_selection import choose_rules

    try:
        scope = verification_scope(specs, config, no_config)
    except Refused as refused:
        verify_specs.tell_unread(
            refused, verify_specs.choose_destinations(forms, outputs, [config] if config else list_candidates())
        )
        raise
    rules = verify_specs.against_rules(specs, against, weights, ignore, evaluate=evaluate)
    scope = scope._replace(against=rules, evaluation=verify_specs.choose_evaluation(specs, evaluate, weights))
    chosen = choose_rules(*scope.rules(select, ignore), scope.against)
    read = chain(scope.read(), list_local_files(against, weights))
    targets = verify_specs.choose_destinations(forms, outputs, read)
    return verify_specs.verify(scope, settings, chosen, targets)


@click.command(short_help="Explain a rule of verify.")
@click.argument("id", required=False)
@options.output_format("text", "json")
def rule(id: str | None, form: str) -> None:
    """Explain a rule of `verify`: what it checks and why, a spec that breaks it, how to mend it.

    Without an ID, all rules are listed.

    \b
    Example: resnet-gen rule
             resnet-gen rule claim
    """
    from resnet_gen.graph.tables import align_columns
    from resnet_gen.verify.rules import RULES, find_rule

    kinds = list(RULES.values()) if id is None else [find_rule(id)]
    if form == "json":
        entries = [{"id": k.id, "summary": k.summary(), "explanation": k.explanation()} for k in kinds]
        say_json(entries if id is None else entries[0])
    elif id is None:
        say_lines(align_columns([(kind.id, kind.summary()) for kind in kinds]))
    else:
        say_lines(f"{id}: {kinds[0].summary()}\n\n{kinds[0].explanation()}\n")

"""`diff`: what changed between two networks."""

from __future__ import annotations

import shlex
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet_gen.cli import options
from resnet_gen.cli.diff_output import check_output, comparison, make_predictor, write_report
from resnet_gen.ops.precision import Precision
from resnet_gen.problems import json_text, refuse

if TYPE_CHECKING:
    from resnet_gen.compare.difference.sides import Side
    from resnet_gen.compare.report import Report


@click.command(short_help="Show what changed between two networks.")
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", required=False)
@options.settings
@options.gate_parts
@comparison
def diff(
    before: str,
    after: str | None,
    settings: tuple[str, ...],
    device: str | None,
    precision: Precision | None,
    batch: int | None,
    form: str,
    output: Path | None,
) -> int:
    """Show what changed from A to B: layers, shapes, counts, predicted time.

    Each is a SPEC, a spec in a git revision (main:nets/x.yaml, HEAD:./x.yaml), or
    an ONNX file. With --set and no B, B is A with the keys changed; with both,
    keys change in each that is no file. Parts of a revision are run, as those
    of a spec are. Exit code 0 if nothing differs that a build or a verdict depends
    on, 1 if anything does.

    \b
    Example: resnet-gen diff resnet50-v1 resnet50
             resnet-gen diff main:nets/mine.yaml nets/mine.yaml --format markdown
             resnet-gen diff resnet50 --set stages.attention=se --for t4
    """
    from resnet_gen.compare.comparison import compare_sides
    from resnet_gen.language.load import list_spec_files

    output = check_output(
        output, chain(list_spec_files(before), list_spec_files(after or before), [Path(device or before)])
    )
    sides = _read_sides(before, after, settings)
    report = compare_sides(*sides, make_predictor(device, precision, batch))
    write_report(_format_report(report, form), output)
    return 0 if report.identical else 1


def _read_sides(before: str, after: str | None, settings: tuple[str, ...]) -> tuple[Side, Side]:
    from resnet_gen.compare.difference.sides import load_side

    if after is not None:
        first, second = load_side(before, settings), load_side(after, settings)
        if settings and first.what == second.what == "onnx":
            raise refuse("--set changes no file", hint="both networks are files")
        return first, second
    if not settings:
        raise refuse("one network is given, and nothing to compare it with", hint="give another, or --set KEY=VALUE")
    changed = load_side(before, settings)
    if changed.what == "onnx":
        raise refuse("--set changes no file", before, "give another network")
    shown = " ".join([before, *(f"--set {shlex.quote(text)}" for text in settings)])
    return load_side(before), changed._replace(given=shown)


def _format_report(report: Report, form: str) -> str:
    if form == "json":
        return json_text(report.as_dict()) + "\n"
    return report.markdown() if form == "markdown" else str(report)

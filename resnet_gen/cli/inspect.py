"""`list`, `show` and `count`: looking at specs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from resnet_gen.cli import options
from resnet_gen.cli.output import say, say_json, say_lines
from resnet_gen.ops.counters import CONVENTION_NAMES
from resnet_gen.problems import refuse

if TYPE_CHECKING:
    from resnet_gen.infer.network_sources import NetworkSource
    from resnet_gen.language.load import Loaded


@click.command("list")
@options.output_format("text", "json")
def list_specs(form: str) -> None:
    """List the shipped specs.

    \b
    Example: resnet-gen list --format json
    """
    from resnet_gen.graph.tables import align_columns
    from resnet_gen.system.resources import shipped_specs

    entries = [_make_entry(name, ()) for name in shipped_specs()]
    if form == "json":
        names = ("name", "family", "reference", "params", "macs", "layers")
        say_json([{key: entry[key] for key in names} for entry in entries])
        return
    rows = [
        (e["name"], e["family"], e["reference"] or "-", f"{e['params']:,}", f"{e['macs']:,}", str(e["layers"]))
        for e in entries
    ]
    header = ("name", "family", "reference", "params", "MACs", "layers")
    say_lines(align_columns([header, *rows], right=(3, 4, 5)))


def _make_entry(reference: str, settings: tuple[str, ...]) -> dict[str, Any]:
    """Everything that `list` and `count` say of one network."""
    from resnet_gen.cli.loading import open_noted, say_of_file
    from resnet_gen.graph.counts import count

    source = open_noted(reference, settings)
    say_of_file(reference, source.describe_counts())
    return {
        "name": source.name,
        "family": source.loaded.family if source.loaded else "",
        "reference": source.loaded.spec.reference if source.loaded else None,
        "input": list(source.graph.input.shape),
        **count(source.graph).as_dict(),
        **source.as_data(),
    }


@click.command("count")
@click.argument("specs", metavar="SPEC|FILE.onnx...", nargs=-1, required=True)
@options.spec_options
@click.option(
    "--convention", "conventions", multiple=True, type=click.Choice((*CONVENTION_NAMES, "all")), metavar="NAME",
    help=f"What another counter prints, and why: {', '.join(CONVENTION_NAMES)}, or all. Any number of times.",
)  # fmt: skip
@options.output_format("text", "json")
def count_specs(specs: tuple[str, ...], settings: tuple[str, ...], conventions: tuple[str, ...], form: str) -> None:
    """Count parameters, MACs, FLOPs, layers and activations, exactly.

    With --format json: one object a spec, one a line. FLOPs are 2 x MACs;
    layers and activations are defined in docs/counting.md, and so is what
    other counters count. Of an ONNX file its own layers are counted, and
    stderr says what it is, and what of it is not known.

    \b
    Example: resnet-gen count resnet50 resnet101 --format json
             resnet-gen count resnet50 --convention fvcore --convention ptflops
    """
    from resnet_gen.graph.tables import align_columns

    if conventions:
        from resnet_gen.cli import other_counters

        other_counters.show_counts(specs, settings, conventions, form)
        return

    entries = [_make_entry(spec, settings) for spec in specs]
    if form == "json":
        for entry in entries:
            say_json({key: value for key, value in entry.items() if key != "family"}, None)
        return
    keys = ("params", "buffers", "macs", "flops", "layers", "activations")
    rows = [(e["name"], "x".join(map(str, e["input"])), *(f"{e[key]:,}" for key in keys)) for e in entries]
    header = ("name", "input", "params", "buffers", "MACs", "FLOPs", "layers", "activations")
    say_lines(align_columns([header, *rows], right=range(2, 8)))


@click.command()
@click.argument("spec", metavar="SPEC|FILE.onnx")
@options.spec_options
@click.option("--resolved", is_flag=True, help="Print the whole spec as YAML, every default and parent filled in.")
@click.option("--layers", is_flag=True, help="One line an operation instead of one a stage.")
@options.output_format("text", "json")
def show(spec: str, settings: tuple[str, ...], resolved: bool, layers: bool, form: str) -> None:
    """Show a network as the paper's table: stage, output size, blocks.

    Of an ONNX file, its own layers in the stages of the spec that is recovered
    from it; where none is, one line an operation.

    \b
    Example: resnet-gen show resnet50
             resnet-gen show resnet50 --layers --format json
    """
    from resnet_gen.cli.loading import open_noted

    if resolved and layers:
        raise refuse("--layers means nothing beside --resolved", hint="leave one of them away")
    source = open_noted(spec, settings, "--resolved" if resolved else "")
    if resolved:
        _show_resolved(source.require_spec("--resolved"), form)
    else:
        _show_tables(source, layers, form)


def _show_resolved(loaded: Loaded, form: str) -> None:
    from resnet_gen.language.lower import lower
    from resnet_gen.language.yaml_writer import dump

    lower(loaded)  # what cannot be built is not shown
    data = loaded.complete()
    say_lines(dump(data)) if form == "text" else say_json(data)


def _show_tables(source: NetworkSource, layers: bool, form: str) -> None:
    from resnet_gen.cli.loading import choose_rows
    from resnet_gen.graph import tables
    from resnet_gen.infer.network_sources import SpecNetwork
    from resnet_gen.language.served_outputs import find_surroundings, summarize_surroundings

    graph, layers = choose_rows(source, layers, form)
    if form == "json":
        rows = tables.layer_rows(graph) if layers else tables.stage_rows(graph)
        say_json([asdict(row) for row in rows])
        return
    say(f"{source.title}, input {tables.sides(graph.input.shape)}", err=True)
    say("", err=True)
    say_lines(tables.layer_table(graph) if layers else tables.stage_table(graph))
    if isinstance(source, SpecNetwork) and (around := find_surroundings(source.loaded, graph)):
        say("", err=True)
        say(f"{summarize_surroundings(around)}; this is put around it, and counted nowhere", err=True)

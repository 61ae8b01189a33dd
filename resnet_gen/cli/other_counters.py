"""`count --convention`: the figures of other counters, and where they differ from ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from resnet_gen.cli.loading import open_noted, say_of_file
from resnet_gen.cli.output import say, say_json, say_lines
from resnet_gen.graph.conventions import Figure, count_by_convention
from resnet_gen.graph.counts import count
from resnet_gen.graph.tables import align_columns
from resnet_gen.graph.torch_modules import find_library
from resnet_gen.infer.network_sources import SpecNetwork
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.language.paper_counts import convention_of
from resnet_gen.ops.counters import CONVENTION_NAMES
from resnet_gen.problems import Refused

_BY_MODULE = {"fvcore", "thop", "ptflops", "torchinfo"}
"""Whose figures depend on how the modules are written."""


def show_counts(specs: Sequence[str], settings: tuple[str, ...], names: Sequence[str], form: str) -> None:
    """Print the figures of each spec: a table, or one object a spec, one a line."""
    wanted = CONVENTION_NAMES if "all" in names else tuple(dict.fromkeys(names))
    tables = [_count_spec(_load_spec(spec, settings), wanted, lenient="all" in names) for spec in specs]
    if form == "json":
        for entry, _ in tables:
            say_json(entry, None)
        return
    header = ("network", "convention", "figure", "called", "difference", "")
    say_lines(align_columns([header, *(row for _, rows in tables for row in rows)], right=(2, 4)))
    for entry, _ in tables:
        if _BY_MODULE & set(wanted):
            say(f"{entry['name']}: {_format_modules(entry)}", err=True)


def _load_spec(reference: str, settings: Sequence[str]) -> Loaded:
    source = open_noted(reference, settings, "--convention")
    if not isinstance(source, SpecNetwork):
        say_of_file(reference, ["what others count is of the spec, with its norms where they are folded in the file"])
    return source.require_spec("--convention")


def _count_spec(
    loaded: Loaded, wanted: Sequence[str], *, lenient: bool
) -> tuple[dict[str, Any], list[tuple[str, ...]]]:
    """What is said of one spec, for programs and for people; `lenient` goes on where its paper says nothing."""
    spec, graph = loaded.spec, lower(loaded)
    writer = find_library(spec.naming.kind, spec.reference)
    entries: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for name in wanted:
        try:
            convention, note = convention_of(name, loaded)
        except Refused as refused:
            if not lenient:
                raise
            reason = refused.problems[0].message.removeprefix("--convention paper: ")
            entries.append({"convention": name, "figure": None, "reason": reason})
            rows.append((spec.name, name, "-", "", "", reason))
        else:
            found = count_by_convention(graph, writer, convention)
            entries.append(_make_entry(found))
            rows += _format_rows(spec.name, found, note)
    sides, macs = list(graph.input.shape), count(graph).macs
    whole = {"name": spec.name, "reference": spec.reference, "input": sides, "macs": macs, "modules": writer.name}
    return {**whole, "figures": entries}, rows


def _make_entry(found: Figure) -> dict[str, Any]:
    return {
        "convention": found.convention.name,
        "called": found.convention.says,
        "who": found.convention.who,
        "figure": found.value,
        "difference": found.difference,
        "from": [part._asdict() for part in found.parts],
    }


def _format_rows(name: str, found: Figure, note: str) -> Iterator[tuple[str, ...]]:
    difference = f"{found.difference:+,}" if found.difference else "0"
    yield name, found.convention.name, f"{found.value:,}", found.convention.says, difference, note
    for part in found.parts:
        yield "", "", "", "", f"{part.difference:+,}", f"{part.kind}: {part.rule}"


def _format_modules(entry: dict[str, Any]) -> str:
    if entry["modules"] == "torch.nn":
        return "no library publishes it: counted as if written with torch.nn's modules"
    if entry["reference"]:
        return f"modules as {entry['reference']}"
    return f"counted as {entry['modules']} writes its modules, which publishes no such network"

"""A difference as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resnet_gen.compare.formats import spec_terms
from resnet_gen.compare.formats.comparison import NetworkComparison
from resnet_gen.compare.formats.rows import count_rows, layer_rows, stage_rows
from resnet_gen.compare.formats.summary import write_headline
from resnet_gen.compare.formats.words import name_list
from resnet_gen.graph.tables import align_columns
from resnet_gen.problems import visible, visible_line

MOST_ROWS = 200
MOST_FOLLOWING = 12
MOST_KEYS = 40
KEYS = "keys that differ:\n"
FOLLOW = "what follows from it:\n"


def write_text(report: NetworkComparison) -> str:
    """The headline; of networks that differ the counts, the stages and the layers too."""
    parts = [visible_line(f"{report.title}: {write_headline(report)}") + "\n"]
    if loose := spec_terms.loosened_promises(report.terms):
        parts.append("loosened:\n" + "".join(f"!  {visible(line)}\n" for line in loose))
    if not report.difference.same:
        parts += [
            align_columns(count_rows(report, "ms"), right=range(1, 5)),
            *_write_stages(report),
            *_write_details(report),
        ]
    parts += _list_cells(spec_terms.term_rows(report.terms, promises=report.versions), KEYS, MOST_KEYS)
    return "\n".join([*parts, *(visible(note) + "\n" for note in _write_notes(report))])


def _write_stages(report: NetworkComparison) -> Iterator[str]:
    found = stage_rows(report.difference)[:MOST_ROWS]
    if found:
        header = ("stage", *(cell for figure in found[0].figures[:2] for cell in (figure.name, "")))
        lines = [
            (row.title, *(cell for figure in row.figures[:2] for cell in (figure.both, figure.difference)))
            for row in found
        ]
        yield align_columns([header, *lines], right=range(1, 5))


def _write_details(report: NetworkComparison) -> Iterator[str]:
    cells = [(row.sign, row.what, name_list(row.names)) for row in layer_rows(report.difference)]
    follow = [row for row in cells if row[0] == "="]
    yield from _list_cells(cells[: len(cells) - len(follow)], "", MOST_ROWS)
    yield from _list_cells(follow, FOLLOW, MOST_FOLLOWING)


def _list_cells(cells: Sequence[tuple[str, ...]], title: str, most: int) -> Iterator[str]:
    if cells:
        more = len(cells) - most
        rest = f"and {more:,} more; --format json has everything\n" if more > 0 else ""
        yield title + align_columns(cells[:most]) + rest


def _write_notes(report: NetworkComparison) -> Iterator[str]:
    """What is no difference; the headline of networks that are the same says it already."""
    if report.notes and not report.difference.same:
        yield f"note: {'; '.join(report.notes)}"
    if renamed := report.difference.renamed:
        pairs = name_list([f"{before} -> {after}" for before, after in renamed])
        yield f"names that differ: {pairs}"

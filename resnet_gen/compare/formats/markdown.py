"""A difference as a comment of a pull request: GitHub's Markdown, within the length that it allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from resnet_gen.compare.formats import spec_terms
from resnet_gen.compare.formats.comparison import NetworkComparison
from resnet_gen.compare.formats.rows import LayerChangeRow, StageChangeRow, count_rows, layer_rows, stage_rows
from resnet_gen.compare.formats.summary import write_headline
from resnet_gen.compare.formats.words import name_list
from resnet_gen.graph.tables import align_columns
from resnet_gen.problems import shorten, unlink, visible

MOST_LISTED = 20
LIMIT = 65_536
"""Characters that GitHub takes in a comment."""
ROOM = 15_000
"""Characters of each of the three lists; what stands around them is shorter than the rest."""
CELL = 300
"""Characters of a cell, before any is escaped."""

_MARKS = frozenset("\\`*_{}[]#|~<>&@!\u200b")
_COMMIT = r"\b[0-9a-f]{6}(?=[0-9a-f])"
"""What GitHub makes a link of where it is not code, which somebody may copy."""


def write_markdown(report: NetworkComparison) -> str:
    """The headline; of networks that differ the counts too, and foldable lists of stages and layers."""
    title = f"**{format_code(report.before.given)} → {format_code(report.after.given)}**"
    return "\n".join([f"{title}: {escape_markdown(write_headline(report), 1_000)}", *write_body(report)]) + "\n"


def write_body(report: NetworkComparison) -> Iterator[str]:
    """What stands below the headline."""
    if loose := spec_terms.loosened_promises(report.terms):
        yield from ("", *list_first(f"**loosened**: {escape_markdown(line)}" for line in loose))
    if not report.difference.same:
        yield from ("", *write_table("|---|--:|--:|--:|--:|", count_rows(report, "predicted ms")))
        yield from (*(f"\n{escape_markdown(note)}" for note in report.notes), *_write_details(report))
    if keys := [f"{key}: {both}" for key, both in spec_terms.term_rows(report.terms, promises=report.versions)]:
        yield from ("", *_fold_lines(f"Keys that differ ({len(keys):,})", _fence_lines("text", keys)))
    if renamed := report.difference.renamed:
        pairs = [f"{before} -> {after}" for before, after in renamed]
        yield from ("", *_fold_lines(f"Names that differ ({len(pairs):,})", _fence_lines("text", pairs)))


def list_first(items: Iterable[str]) -> Iterator[str]:
    """A list of the first items, and how many more there are."""
    found = list(items)
    yield from (f"- {item}" for item in found[:MOST_LISTED])
    if len(found) > MOST_LISTED:
        yield f"- and {len(found) - MOST_LISTED:,} more"


def escape_markdown(text: str, limit: int = CELL) -> str:
    """Text that is only text: no mark-up, no mention, no link, no HTML, and no end of a table's cell."""
    return _escape_marks(unlink(shorten(visible(text), limit).replace(" -> ", " → "), _COMMIT))


def format_code(text: str) -> str:
    """A name as code, which may have anything in it."""
    return f"<code>{_escape_marks(unlink(shorten(visible(text), CELL)))}</code>"


def _escape_marks(text: str) -> str:
    return "".join(f"&#{ord(c)};" if c in _MARKS else c for c in text)


def write_table(rule: str, lines: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table with its header, below which a rule aligns the columns."""
    header, *below = (f"| {' | '.join(map(escape_markdown, cells))} |" for cells in lines)
    yield from (header, rule, *below)


def _write_details(report: NetworkComparison) -> Iterator[str]:
    found = layer_rows(report.difference)
    changes, follow = ([row for row in found if (row.sign == "=") == shapes] for shapes in (False, True))
    stages = list(_write_stages(report))
    parts = [
        ("By stage", stages),
        ("By layer", _fence_lines("diff", _align_rows(changes))),
        ("What follows from it", _fence_lines("text", _align_rows(follow))),
    ]
    for title, lines in parts:
        if lines:
            yield from ("", *_fold_lines(title, lines))


def _write_stages(report: NetworkComparison) -> Iterator[str]:
    found = stage_rows(report.difference)
    if not found:
        return
    cells = [(row.title, _format_blocks(row), *(figure.difference for figure in row.figures[:2])) for row in found]
    yield from write_table("|---|---|--:|--:|", [("stage", "blocks", "params", "MACs"), *cells])


def _format_blocks(row: StageChangeRow) -> str:
    before, after = row.blocks
    return before if before == after else f"{before or 'nothing'} -> {after or 'nothing'}"


def _align_rows(found: Sequence[LayerChangeRow]) -> list[str]:
    """Rows in columns; `!` is what GitHub colours as a change."""
    cells = [(row.sign.replace("~", "!"), shorten(row.what, CELL), name_list(row.names)) for row in found]
    return align_columns(cells).splitlines() if cells else []


def _fence_lines(language: str, lines: Sequence[str]) -> list[str]:
    return [f"```{language}", *map(visible, lines), "```"] if lines else []


def _fold_lines(title: str, lines: list[str]) -> Iterator[str]:
    """A part that is opened when asked for, as long as there is room; a fence at its end is kept."""
    end = lines[-1:] if lines[-1] == "```" else []
    body = lines[: len(lines) - len(end)]
    shown = list(_take_fitting(body))
    yield from ("<details>", f"<summary>{escape_markdown(title)}</summary>", "", *shown, *end)
    if len(shown) < len(body):
        yield from ("", f"and {len(body) - len(shown):,} more")
    yield from ("", "</details>")


def _take_fitting(lines: Sequence[str]) -> Iterator[str]:
    room = ROOM
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return
        yield line

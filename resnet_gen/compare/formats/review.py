"""What became of a project's networks, as one comment of a pull request, as text, and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from resnet_gen.compare.difference.key_changes import KeyChange
from resnet_gen.compare.difference.review import NetworkReview
from resnet_gen.compare.difference.sides import Side
from resnet_gen.compare.formats import spec_terms
from resnet_gen.compare.formats.comparison import Latency, NetworkComparison
from resnet_gen.compare.formats.data import collect_data as difference_data
from resnet_gen.compare.formats.markdown import LIMIT, escape_markdown, format_code, list_first
from resnet_gen.compare.formats.markdown import write_body as difference_body
from resnet_gen.compare.formats.summary import list_clauses
from resnet_gen.compare.formats.text import write_text as difference_text
from resnet_gen.compare.formats.words import format_percent
from resnet_gen.graph.counts import count
from resnet_gen.problems import Problem, several, visible, visible_line

MOST_NETWORKS = 100
RESERVE = 2_000
"""Characters of a comment that are kept for what stands below its details."""


_UNKNOWN = "could not be read before, so that what it listed and promised is not compared"


@dataclass(frozen=True)
class Review:
    """What `base` had and what is there now; what verify finds, and how long networks are predicted to take.

    `project` is what differs in the project file `file`, and `unread` why that of the base cannot be read.
    """

    base: str
    networks: Sequence[NetworkReview]
    findings: Sequence[Problem] = ()
    latency: dict[str, Latency] | None = None
    file: str = ""
    project: Sequence[KeyChange] = ()
    unread: Sequence[Problem] = ()

    @property
    def changed(self) -> list[NetworkReview]:
        """The networks that are not what they were."""
        return [network for network in self.networks if network.changed]

    @property
    def same(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.changed or self.project or self.unread)

    @property
    def loosened(self) -> list[tuple[str, str]]:
        """Every promise that is looser, behind the file that it stands in."""
        found = [(self.file, line) for line in spec_terms.loosened_promises(self.project)]
        for network in self.networks:
            if network.removed:
                found.append((network.given, "removed, so that nothing is held any more"))
            elif not network.listed:
                found.append((network.given, "listed no more, so that nothing holds it"))
            found += [(network.given, line) for line in spec_terms.loosened_promises(network.terms)]
        return found

    def report(self, network: NetworkReview) -> NetworkComparison | None:
        """A network that is there before and after, as its difference is told."""
        if not (network.before and network.after and network.difference):
            return None
        latency = (self.latency or {}).get(network.given)
        difference = network.difference
        return NetworkComparison(network.before, network.after, difference, latency, terms=network.terms, versions=True)

    def headline(self) -> str:
        """How many promises are looser, how many networks changed, and whether promises are broken."""
        unread = sum(network.unread for network in self.networks)
        changed = len(self.changed) - unread
        of = f"{changed:,} of {several(len(self.networks), 'network')} changed"
        parts = [f"{several(len(self.loosened), 'promise')} loosened"] if self.loosened else []
        parts += [of if changed else "no network changed"]
        parts += [f"{self.file} changed"] if self.project or self.unread else []
        parts += [f"{unread:,} cannot be read"] if unread else []
        return "; ".join([*parts, *([several(len(self.findings), "finding")] if self.findings else [])])


def describe_network(network: NetworkReview) -> str:
    """What became of a network, in words."""
    if network.problems:
        return "cannot be read" if network.unread else "could not be read before"
    if network.difference is None:
        return "new" if network.after else "removed"
    same = network.difference.same
    keys = spec_terms.term_clauses(network.terms, layers=not same, promises=True)
    renamed = len(network.difference.renamed)
    names = [f"{several(renamed, 'name')} {'differs' if renamed == 1 else 'differ'}"] if same and renamed else []
    parts = [*list_clauses(network.difference)[:4], *names, *keys]
    return "; ".join(parts or ["its description differs"] if network.terms else parts)


def write_markdown(review: Review) -> str:
    """One comment: the headline, a table of what changed, what is broken, and each difference to unfold."""
    lines = [f"**{escape_markdown(review.headline())}** since {format_code(review.base)}"]
    if review.loosened:
        lines += ["", *_list_loosened(review)]
    if review.project or review.unread:
        lines += ["", *_list_project_changes(review)]
    if review.changed:
        lines += ["", *_write_table(review)]
    if review.findings:
        lines += ["", *_list_findings(review.findings)]
    room = LIMIT - RESERVE - sum(len(line) + 1 for line in lines)
    return "\n".join([*lines, *_write_details(review, room)]) + "\n"


def _list_loosened(review: Review) -> Iterator[str]:
    yield from list_first(
        f"**loosened** {format_code(file)} {escape_markdown(line, 500)}" for file, line in review.loosened
    )


def _list_project_changes(review: Review) -> Iterator[str]:
    """What else differs in the project file."""
    lines = [escape_markdown(spec_terms.describe_term(term), 500) for term in review.project if not term.loosened]
    lines += [escape_markdown(f"{_UNKNOWN}: {problem.message}", 500) for problem in review.unread]
    yield from list_first(f"{format_code(review.file)} {line}" for line in lines)


def _write_table(review: Review) -> Iterator[str]:
    timed = bool(review.latency)
    yield "| network | what changed | params | MACs | layers |" + (" predicted ms |" if timed else "")
    yield "|---|---|--:|--:|--:|" + ("--:|" if timed else "")
    for network in review.changed[:MOST_NETWORKS]:
        cells = [
            format_code(network.given),
            escape_markdown(describe_network(network), 1_000),
            *_format_counts(network),
        ]
        if timed:
            latency = (review.latency or {}).get(network.given)
            cells.append(_format_change(latency.before, latency.after, ".3f") if latency else "")
        yield f"| {' | '.join(cells)} |"
    if len(review.changed) > MOST_NETWORKS:
        yield f"\nand {len(review.changed) - MOST_NETWORKS:,} more"


def _format_counts(network: NetworkReview) -> list[str]:
    sides = [count(side.graph) if side else None for side in (network.before, network.after)]
    cells = []
    for name in ("params", "macs", "layers"):
        before, after = (getattr(side, name) if side else None for side in sides)
        cells.append(_format_change(before, after, ""))
    return cells


def _format_change(before: float | None, after: float | None, form: str) -> str:
    if before is None or after is None or before == after:
        one = after if after is not None else before
        return "" if one is None else f"{one:,{form}}"
    return f"{before:,{form}} → {after:,{form}} ({format_percent(before, after)})"


def _list_findings(findings: Sequence[Problem]) -> Iterator[str]:
    yield from list_first(
        f"{format_code(str(f.where))} {escape_markdown(f.message, 500)} {format_code(f.rule or 'invalid-spec')}"
        for f in findings
    )


def _write_details(review: Review, room: int) -> Iterator[str]:
    """Each difference as long as there is room; what is left out is said."""
    left_out = 0
    for network in review.changed:
        report = review.report(network)
        lines = [*difference_body(report)] if report else _list_reasons(network)
        text = "\n".join(["", f"<details><summary>{format_code(network.given)}</summary>", *lines, "", "</details>"])
        if lines and len(text) < room:
            room -= len(text) + 1
            yield text
        else:
            left_out += bool(lines)
    if left_out:
        yield f"\nDetails of {several(left_out, 'network')} have no room here; `resnet-gen review` shows them."


def _list_reasons(network: NetworkReview) -> list[str]:
    """Why a side cannot be read."""
    return [
        line
        for p in network.problems
        for line in ("", f"{format_code(str(p.where))} {escape_markdown(p.message, 1_000)}")
    ]


def write_text(review: Review) -> str:
    """The same for a terminal."""
    parts = [visible(f"{review.headline()} since {review.base}") + "\n"]
    if review.loosened:
        parts.append("loosened:\n" + "".join(visible(f"!  {file}: {line}") + "\n" for file, line in review.loosened))
    parts += [visible(f"{review.file}: {_UNKNOWN}") + "\n"] if review.unread else []
    if rest := [term for term in review.project if not term.loosened]:
        parts.append("".join(visible_line(f"{review.file}: {spec_terms.describe_term(term)}") + "\n" for term in rest))
    for network in review.changed:
        report = review.report(network)
        parts.append(
            difference_text(report) if report else visible_line(f"{network.given}: {describe_network(network)}") + "\n"
        )
    problems = [*review.unread, *(p for network in review.networks for p in network.problems), *review.findings]
    return "\n".join([*parts, *(f"{problem}\n" for problem in problems)])


def collect_data(review: Review) -> dict[str, Any]:
    """The same for programs: docs/ci.md describes every key."""
    unread = list(map(str, review.unread))
    return {
        "base": review.base,
        "headline": review.headline(),
        "loosened": [{"at": file, "what": line} for file, line in review.loosened],
        "project": {"file": review.file, "keys": spec_terms.collect_data(review.project), "problems": unread},
        "networks": [_describe_review(review, network) for network in review.networks],
        "findings": [{"rule": p.rule, "at": str(p.where), "message": p.message} for p in review.findings],
    }


def _describe_review(review: Review, network: NetworkReview) -> dict[str, Any]:
    report = review.report(network)
    return {
        "given": network.given,
        "changed": network.changed,
        "listed": network.listed,
        "what": describe_network(network),
        "before": _count_side(network.before),
        "after": _count_side(network.after),
        "problems": [str(problem) for problem in network.problems],
        "difference": difference_data(report) if report and network.changed else None,
    }


def _count_side(side: Side | None) -> dict[str, int] | None:
    return count(side.graph).as_dict() if side else None

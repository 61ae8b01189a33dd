"""Every network of a project, compared with itself in a git revision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from resnet_gen.compare.difference.base_revision import ProjectRevisions, list_former_networks
from resnet_gen.compare.difference.graphs import Difference, compare
from resnet_gen.compare.difference.key_changes import KeyChange, find_differing
from resnet_gen.compare.difference.revision import RevisionMoves
from resnet_gen.compare.difference.sides import Side, load_current_side, load_former_side
from resnet_gen.language.load import find_spec
from resnet_gen.problems import Problem, Refused, refuse
from resnet_gen.project.project_file import format_reference
from resnet_gen.system.resources import shipped_specs


class NetworkReview(NamedTuple):
    """A network, and what became of it.

    `before` is None for a new one, `after` for one that is gone; both may be where
    `problems` say why a side cannot be read, `now` saying that it is the later one.
    """

    given: str
    before: Side | None = None
    after: Side | None = None
    difference: Difference | None = None
    problems: tuple[Problem, ...] = ()
    now: bool = True
    listed: bool = True
    """Whether the project lists it now; one that is gone is none that it could."""
    terms: tuple[KeyChange, ...] = ()
    """What its spec states differently."""

    @property
    def unread(self) -> bool:
        """Whether it cannot be read as it is now."""
        return bool(self.problems) and self.now

    @property
    def removed(self) -> bool:
        """Whether it was there, and is no more."""
        return self.after is None and not self.unread

    @property
    def changed(self) -> bool:
        """Whether there is something to look at."""
        same = self.difference and self.difference.same and not self.difference.renamed
        return bool(not (same and self.listed) or self.terms)


def review_networks(specs: Iterable[str], since: RevisionMoves, projects: ProjectRevisions) -> list[NetworkReview]:
    """What became of each spec, of those that are gone, and of those that the project listed and lists no more."""
    listed = list_former_networks(since, projects.before)
    known = set(listed) if projects.before else None
    found = [_review_spec(spec, since, known) for spec in specs]
    here = {since.inside(find_spec(network.given)) for network in found}
    gone = [path for path in list_former_networks(since, projects.after) if not (since.root / path).exists()]
    left = (path for path in dict.fromkeys([*listed, *gone]) if since.find_current_path(path) not in here)
    return [_add_budgets(network, projects) for network in (*found, *(_review_unlisted(path, since) for path in left))]


def _add_budgets(network: NetworkReview, projects: ProjectRevisions) -> NetworkReview:
    """A network, and the project's budgets that it gets out of, or into, by another name."""
    sides = network.before, network.after
    before, after = ((side.stated or {}).get("name", "") if side else "" for side in sides)
    terms = projects.budgets(before, after) if before and after else ()
    return network._replace(terms=(*network.terms, *terms))


def _review_spec(spec: str, since: RevisionMoves, known: set[str] | None = None) -> NetworkReview:
    """What became of a spec; where the networks are `known` that there were, no other was renamed to be this one."""
    file = find_spec(spec)
    path = since.inside(file)
    if path is None:
        return _review_shipped(spec)
    old = since.renamed.get(path, path)
    then = since.base.at(path if known is not None and old not in known else old)
    if not file.exists() and then.exists():
        return _review_removed(path, since)
    try:
        after = load_current_side(spec)
    except Refused as refused:
        return NetworkReview(spec, problems=refused.problems)
    if not then.exists():
        own = since.tracks(path) or spec not in shipped_specs()  # a shipped one may be installed below the root
        return NetworkReview(spec, after=after) if own else _report_same(spec, after)
    try:
        before = load_former_side(then)
    except Refused as refused:
        return NetworkReview(spec, after=after, problems=refused.problems, now=False)
    terms = find_differing(before.stated or {}, after.stated or {})
    return NetworkReview(spec, before, after, compare(before.graph, after.graph), terms=terms)


def _review_shipped(spec: str) -> NetworkReview:
    """A spec that no revision of the repository has: a shipped one is what it was."""
    if spec not in shipped_specs():
        raise refuse("in no revision of this repository, to compare it with", spec, "give the path of one that is")
    return _report_same(spec, load_current_side(spec))


def _report_same(spec: str, after: Side) -> NetworkReview:
    return NetworkReview(spec, after, after, Difference(after.graph, after.graph, (), ()))


def _review_unlisted(path: str, since: RevisionMoves) -> NetworkReview:
    """What became of a network that the project listed at a path of the revision, and lists nowhere now."""
    now = since.root / since.find_current_path(path)
    if not now.exists():
        return _review_removed(path, since)
    return _review_spec(format_reference(now), since)._replace(listed=False)


def _review_removed(path: str, since: RevisionMoves) -> NetworkReview:
    given = format_reference(since.root / path)
    try:
        return NetworkReview(given, before=load_former_side(since.base.at(path)))
    except Refused as refused:
        return NetworkReview(given, problems=refused.problems, now=False)

"""A difference in one line, by general rules: each coarse one reports some changes and leaves the rest to the next."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from resnet_gen.compare.difference.block_outline import FLAT, BlockOutline
from resnet_gen.compare.difference.graphs import BlockChange, Difference, LayerChange, Setting, StageChange
from resnet_gen.compare.formats import spec_terms
from resnet_gen.compare.formats.comparison import NetworkComparison
from resnet_gen.compare.formats.words import CountChange, compare_figures, describe_change, name_list, name_op
from resnet_gen.graph import is_block
from resnet_gen.graph.tables import sides, stage_title
from resnet_gen.ops import Conv, Linear
from resnet_gen.problems import several

MOST = 4
"""Clauses of the headline; what else changed is only counted there."""


class ChangeItem(NamedTuple):
    """Something to report: a layer that was added or removed, or one setting of a changed one."""

    stage: StageChange
    block: BlockChange
    change: LayerChange
    setting: Setting | None = None

    @property
    def title(self) -> str:
        """The stage's name."""
        return stage_title(self.stage.path)


ClausesAndRest: TypeAlias = tuple[list[str], list[ChangeItem]]
NumberedClauses: TypeAlias = Iterator[tuple[int, str]]
"""Clauses, each with the number of layers that it is about."""


def write_headline(report: NetworkComparison) -> str:
    """Everything in one line: what changed, and the counts that did."""
    difference, parts = report.difference, list_clauses(report.difference)
    keys = spec_terms.term_clauses(report.terms, layers=not difference.same, promises=report.versions)
    if difference.same:
        names = several(len(difference.renamed), "name")
        differ = [f"{names} differ"] if len(difference.renamed) > 1 else [f"{names} differs"]
        return "; ".join(["the same architecture", *report.notes, *(differ if difference.renamed else []), *keys])
    shown = parts if len(parts) <= MOST else [*parts[: MOST - 1], f"{len(parts) - MOST + 1} other kinds of change"]
    counts = [_format_count(figure) for figure in compare_figures(difference)[:2] if figure.before != figure.after]
    latency = report.latency
    if latency:
        counts.append(f"{latency.before:,.3g} ms -> {latency.after:,.3g} ms predicted on {latency.device}")
    return "; ".join([*shown, ", ".join(counts) or "params and MACs unchanged", *keys])


def _format_count(figure: CountChange) -> str:
    return f"{figure.name} {figure.difference}" + (f" ({figure.percent})" if figure.percent else "")


def list_clauses(difference: Difference) -> list[str]:
    """What changed, the most important first."""
    found = [_describe_input(difference)] if difference.input else []
    items = list(_list_items(difference))
    for rule in COARSE:
        clauses, items = rule(items, difference)
        found += clauses
    layers = sorted(
        [*_number_settings(items, difference), *_number_layers(items), *_number_operands(items)],
        key=lambda each: -each[0],
    )
    return [*found, *([_describe_outputs(difference)] if difference.outputs else []), *(text for _, text in layers)]


def _list_items(difference: Difference) -> Iterator[ChangeItem]:
    for stage in difference.stages:
        for block in stage.blocks:
            for change in block.changes:
                if change.kind in ("added", "removed"):
                    yield ChangeItem(stage, block, change)
                elif change.kind == "changed":
                    settings = [s for s in change.settings if s.name != "operands" or not block.rebuilt]
                    yield from (ChangeItem(stage, block, change, setting) for setting in settings)


def _describe_input(difference: Difference) -> str:
    return f"input {sides(difference.before.input.shape)} -> {sides(difference.after.input.shape)}"


def _describe_outputs(difference: Difference) -> str:
    before, after = ([value.name for value in graph.outputs] for graph in (difference.before, difference.after))
    return f"outputs {name_list(before)} -> {name_list(after)}" if before != after else "the outputs are others"


# --- rules: from the coarse to the fine ---------------------------------------


def _take_stages(items: list[ChangeItem], difference: Difference) -> ClausesAndRest:
    found: dict[tuple[str, str], None] = {}  # in the order of the stages, each once
    for stage in difference.stages:
        whole = stage.after or stage.before
        if whole and not (stage.before and stage.after):
            size = f" ({several(len(whole.blocks), 'block')})" if whole.path.startswith("stages.") else ""
            found[f"{stage_title(whole.path)}{size}", "added" if stage.after else "removed"] = None
    return [f"{title} {what}" for title, what in found], [i for i in items if i.stage.before and i.stage.after]


def _take_blocks(items: list[ChangeItem], difference: Difference) -> ClausesAndRest:
    """Blocks added and removed, by stage; what stands between blocks is none."""
    found: dict[str, Counter[str]] = {"added": Counter(), "removed": Counter()}
    reported: set[int] = set()
    for item in items:
        block, one = item.block, item.block.after or item.block.before
        if one and not (block.before and block.after) and id(block) not in reported and is_block(one.path):
            found["added" if block.after else "removed"][item.title] += 1
            reported.add(id(block))
    left = [item for item in items if id(item.block) not in reported]
    return [_describe_blocks(what, stages) for what, stages in found.items() if stages], left


def _describe_blocks(what: str, stages: Counter[str]) -> str:
    if len(stages) == 1:
        ((stage, number),) = stages.items()
        return f"{several(number, 'block')} {what} {'to' if what == 'added' else 'from'} {stage}"
    places = [f"{number:,} in {stage}" for stage, number in stages.items()]
    return f"{several(sum(stages.values()), 'block')} {what} ({name_list(places)})"


def _take_ends(items: list[ChangeItem], difference: Difference) -> ClausesAndRest:
    """Stem and head, where layers came or went, or have another window."""
    replaced = {
        item.title: None
        for item in items
        if item.title in ("stem", "head") and item.change.node.op.is_layer
        if item.setting is None or item.setting.name == "kernel"
    }
    return [f"{title} replaced" for title in replaced], [item for item in items if item.title not in replaced]


def _take_rebuilt_blocks(items: list[ChangeItem], difference: Difference) -> ClausesAndRest:
    """Blocks whose main layers are others; what weighs them is reported apart."""
    replaced: dict[int, BlockChange] = {}
    for item in items:
        layer = item.setting is None and item.change.node.op.is_layer
        if layer and item.change.node.role == "main" and item.title != FLAT:
            replaced[id(item.block)] = item.block
    kinds = Counter(f"{_describe_windows(b.before)} -> {_describe_windows(b.after)}" for b in replaced.values())
    clauses = [f"{several(number, 'block')} replaced ({kind})" for kind, number in kinds.items()]
    return clauses, [i for i in items if id(i.block) not in replaced or i.change.node.role == "attention"]


def _describe_windows(block: BlockOutline | None) -> str:
    main = [node.op for node in block.nodes if node.role == "main" and node.op.is_layer] if block else []
    return name_list([f"{op.kernel}x{op.kernel}" if isinstance(op, Conv) else name_op(op) for op in main]) or "nothing"


def _take_moves(items: list[ChangeItem], difference: Difference) -> ClausesAndRest:
    """Settings that one layer of a block gave to another: `stride 2 -> 1` here and `1 -> 2` there."""
    given: dict[tuple[int, str, int, int], ChangeItem] = {}
    moves: Counter[tuple[str, str, str]] = Counter()
    reported: set[int] = set()
    for item in items:
        setting = item.setting
        if setting is None or setting.name not in MOVING:
            continue
        other = given.pop((id(item.block), setting.name, setting.after, setting.before), None)
        if other is None:
            given[id(item.block), setting.name, setting.before, setting.after] = item
            continue
        giver, taker = (item, other) if setting.before > setting.after else (other, item)
        moves[setting.name, giver.change.place, taker.change.place] += 1
        reported |= {id(item.setting), id(other.setting)}
    clauses = [f"{several(n, name)} moved from {a} to {b}" for (name, a, b), n in moves.items()]
    return clauses, [item for item in items if item.setting is None or id(item.setting) not in reported]


MOVING = ("stride", "dilation")


def _take_classes(items: list[ChangeItem], difference: Difference) -> ClausesAndRest:
    """The last layer's features are the classes."""
    ends = (reversed(graph.nodes) for graph in (difference.before, difference.after))
    last = [next((node for node in nodes if isinstance(node.op, Linear)), None) for nodes in ends]
    features = (item for item in items if item.setting and item.setting.name == "features")
    reported = [item for item in features if [item.change.before, item.change.after] == last]
    clauses = [f"{item.setting.before:,} -> {item.setting.after:,} classes" for item in reported if item.setting]
    return clauses, [item for item in items if item not in reported]


def _take_attention(items: list[ChangeItem], difference: Difference) -> ClausesAndRest:
    """What weighs a block: added, removed or replaced as a whole; single layers of it are left."""
    rebuilt = {id(i.block): i.block for i in items if i.setting is None and i.change.node.role == "attention"}
    whole = {key: what for key, block in rebuilt.items() if (what := _describe_attention(block))}
    clauses = [f"attention {w} {_TO[w]} {several(number, 'block')}" for w, number in Counter(whole.values()).items()]
    return clauses, [i for i in items if id(i.block) not in whole or i.change.node.role != "attention"]


def _describe_attention(block: BlockChange) -> str | None:
    """What happened to all that weighs a block; None where only single layers came, or only went.

    A layer with weights that comes is another attention where those that stay take something else than before.
    """
    had, has = (any(n.role == "attention" for n in b.nodes) if b else False for b in (block.before, block.after))
    if not (had and has):
        return "removed" if had else "added"
    changes = [change for change in block.changes if change.node.role == "attention"]
    came = {change.kind for change in changes if change.kind in ("added", "removed")}
    layers = any(change.node.op.is_layer for change in changes if change.kind in came)
    return "replaced" if len(came) == 2 or (layers and len({*(c.kind for c in changes)}) > 1) else None


_TO = {"added": "to", "removed": "from", "replaced": "in"}


def _number_settings(items: list[ChangeItem], difference: Difference) -> NumberedClauses:
    """Every other setting, by what it was and is; `everywhere` where no such layer is left."""
    of_a_kind = Counter(name_op(node.op) for node in difference.before.nodes)
    found: dict[tuple[str, str], list[ChangeItem]] = defaultdict(list)
    for item in items:
        if item.setting and item.setting.name != "operands" and not _is_padding_that_follows(item):
            found[_name_subject(item), item.setting.name].append(item)
    for (what, name), same in found.items():
        yield len(same), _describe_setting(what, name, same, of_a_kind)


def _is_padding_that_follows(item: ChangeItem) -> bool:
    """Whether it is the padding that goes with another kernel or dilation."""
    others = {setting.name for setting in item.change.settings}
    return item.setting is not None and item.setting.name == "padding" and bool(others & {"kernel", "dilation"})


def _name_subject(item: ChangeItem) -> str:
    assert item.change.before
    return name_op(item.change.before.op)


def _describe_setting(subject: str, name: str, items: list[ChangeItem], of_a_kind: Counter[str]) -> str:
    ways = Counter(_describe_way(item) for item in items)
    (way, _), *others = ways.most_common()
    if len(items) == 1:
        return f"{way} in {items[0].change.node.name}"
    if others:
        ratios = {_find_ratio(item.setting) for item in items}
        how = f"x {ratios.pop():g}" if len(ratios) == 1 and None not in ratios else "changed"
        return f"{name.replace('_', ' ')} {how} in {several(len(items), subject)}"
    if name in ("operation", "function"):
        everywhere = len(items) == of_a_kind[subject]
        return f"{way} everywhere ({len(items):,})" if everywhere else f"{way} in {len(items):,} places"
    return f"{way} in {several(len(items), subject)}"


def _find_ratio(setting: Setting | None) -> float | None:
    numbers = setting is not None and type(setting.before) is type(setting.after) is int and setting.before
    return setting.after / setting.before if setting and numbers else None


def _describe_way(item: ChangeItem) -> str:
    assert item.setting
    assert item.change.before
    assert item.change.after
    if item.setting.name in ("operation", "function"):
        return f"{name_op(item.change.before.op)} -> {name_op(item.change.after.op)}"
    return describe_change(item.change, item.setting)


def _number_layers(items: list[ChangeItem]) -> NumberedClauses:
    """Every other layer that was added or removed, by what it is and on which path."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for item in items:
        if item.setting is None:
            node = item.change.node
            found[item.change.kind, name_op(node.op), node.role].append(node.name)
    for key, names in found.items():
        yield len(names), _describe_layers(*key, names)


def _describe_layers(kind: str, what: str, role: str, names: list[str]) -> str:
    path = "" if role == "main" else f" {'to' if kind == 'added' else 'from'} {role}s"
    place = f" ({names[0]})" if len(names) == 1 else ""
    return f"{several(len(names), what)} {kind}{path}{place}"


def _number_operands(items: list[ChangeItem]) -> NumberedClauses:
    names = [item.change.node.name for item in items if item.setting and item.setting.name == "operands"]
    if names:
        verb = "takes" if len(names) == 1 else "take"
        yield len(names), f"{several(len(names), 'layer')} {verb} other operands ({name_list(names, 2)})"


SummaryRule: TypeAlias = Callable[[list[ChangeItem], Difference], ClausesAndRest]
COARSE: tuple[SummaryRule, ...] = (
    _take_stages,
    _take_ends,
    _take_blocks,
    _take_rebuilt_blocks,
    _take_moves,
    _take_classes,
    _take_attention,
)

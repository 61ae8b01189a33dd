"""What overrides say is checked at each block that they are for, and blamed at the line that says it."""

import itertools

import pytest

from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.parts import base
from resnet_gen.parts.registry import load_parts, members
from resnet_gen.problems import Refused

load_parts()
BLOCKS = {part.kind_name(): part for part in members(base.Block)}
PLACES = {
    "stage1": {(1, 1), (1, 2)},
    "stage1.block2": {(1, 2)},
    "stage2": {(2, 1), (2, 2)},
    "stage1-2": {(1, 1), (1, 2), (2, 1), (2, 2)},
    "stage1-2.block2": {(1, 2), (2, 2)},
}
EVERY = PLACES["stage1-2"]
SPEC = """\
name: net
input: {{size: 16}}
stem: {{kind: conv3x3, width: 32}}
stages:
  depths: [2, 2]
  widths: [64, 64]
  block: {block}
  attention: {attention}
  overrides:
    {overrides}
head: {{kind: linear, classes: 3}}
"""


def built(tmp_path, block="basic", attention="none", overrides=()):
    """The graph, or the refusal, of a network; overrides are pairs of a place and what stands there."""
    lines = "\n    ".join(f"{place}: {{{', '.join(f'{k}: {v}' for k, v in o.items())}}}" for place, o in overrides)
    path = tmp_path / "net.yaml"
    path.write_text(SPEC.format(block=block, attention=attention, overrides=lines or "{}"))
    try:
        return lower(load(str(path)))
    except Refused as refused:
        (problem,) = refused.problems
        return problem


def attended(graph):
    """The blocks that have an attention of the spec's."""
    steps = [node.path.split(".") for node in graph.nodes if ".attention." in node.path]
    return {(int(stage) + 1, int(block) + 1) for _, stage, block, *inside in steps if inside[0] == "attention"}


def wanted(block, attention, overrides):
    """The block, its attention, and the place that says it, of each block."""
    found = {}
    for here in EVERY:
        kind, how, said = block, attention, "stages.attention"
        for place, override in overrides:
            if here in PLACES[place]:
                kind = override.get("block", kind)
                if "attention" in override:
                    how, said = override["attention"], f"stages.overrides.{place}.attention"
        found[here] = kind, how, said
    return found


CHANGES = [
    *([(place, {"attention": how})] for place in ("stage1.block2", "stage1-2") for how in ("se", "none")),
    *([("stage1", {"block": None})], [("stage1-2.block2", {"block": None})], []),
    [("stage1", {"block": None}), ("stage1.block2", {"attention": "eca"})],
    [("stage1", {"attention": "eca"}), ("stage1.block2", {"block": None, "attention": "none"})],
    [("stage1", {"block": None, "attention": "none"}), ("stage1.block2", {"block": "basic", "attention": "cbam"})],
    [("stage2", {"block": None, "attention": "{kind: se, rd_ratio: 0.5}"})],
]


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_has_the_attention_that_is_said_of_it_or_is_refused_where_that_is_said(kind, tmp_path):
    beside = "preact_basic" if BLOCKS[kind].preactivated else "basic"
    for block, attention, changes in itertools.product((kind, beside), ("none", "se"), CHANGES):
        overrides = [(place, {k: v or kind for k, v in change.items()}) for place, change in changes]
        overrides = [(p, {k: beside if v == "basic" else v for k, v in o.items()}) for p, o in overrides]
        places = wanted(block, attention, overrides)
        asked = {here for here, (_, how, _) in places.items() if how != "none"}
        wrong = {(k, said) for k, how, said in places.values() if how != "none" and "attention" not in BLOCKS[k].takes}
        result = built(tmp_path, block, attention, overrides)
        if wrong:
            assert any(f"{said}: the block '{k}'" in result.message for k, said in wrong), (result, wrong)
            assert "has no place for it" in result.message
            assert "attention" in result.where.document.line(result.where.line)
        else:
            assert attended(result) == asked, (block, attention, overrides, result)


def test_the_line_that_is_blamed_is_the_one_that_says_so(tmp_path):
    problem = built(tmp_path, "basic", "se", [("stage1", {"block": "plain"}), ("stage2", {"attention": "eca"})])
    assert problem.message == "stages.attention: the block 'plain' of stages.overrides.stage1 has no place for it"
    assert problem.where.line == 7
    problem = built(tmp_path, "plain", "none", [("stage1.block2", {"attention": "se"}), ("stage2", {"block": "basic"})])
    assert problem.message == "stages.overrides.stage1.block2.attention: the block 'plain' has no place for it"
    assert problem.where.line == 9


@pytest.mark.parametrize("place", [None, *PLACES])
@pytest.mark.parametrize("kind", ["bottleneck", "preact_bottleneck"])
def test_filters_of_pruned_blocks_are_one_pair_for_each_block_of_the_network(kind, place, tmp_path):
    for number in range(1, 7):
        block = f"{{kind: {kind}, inner: {[[n, n + 1] for n in range(8, 8 + number)]}}}"
        changes = [(place, {"block": block})] if place else []
        result = built(tmp_path, kind if place else block, overrides=changes)
        if number == 4:
            convs = {node.path: node.shape[0] for node in result.nodes}
            for stage, index in PLACES[place] if place else EVERY:
                inside = [convs[f"stages.{stage - 1}.{index - 1}.conv{n}"] for n in (1, 2)]
                assert inside == [8 + 2 * stage - 2 + index - 1, 9 + 2 * stage - 2 + index - 1]
        else:
            loc = f"stages.overrides.{place}.block" if place else "stages.block"
            pairs = "1 pair" if number == 1 else f"{number} pairs"
            assert result.message == f"{loc}: 'inner' has {pairs} for 4 blocks"
            assert result.where.line == (9 if place else 6)

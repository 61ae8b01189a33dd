"""Widths that a spec writes out and blocks round: said exactly where the network has others."""

import itertools

import pytest

from resnet_gen.language.load import load
from resnet_gen.language.notes import notes
from resnet_gen.language.plan import plan
from resnet_gen.parts.registry import load_parts
from resnet_gen.system.resources import shipped_specs

SPEC = """\
name: mine
input: {{size: 32}}
stem: {{kind: conv3x3, width: 8}}
stages:
  depths: [1, 1]
  widths: {widths}
  block: {{kind: {block}, group_width: {group}, bottleneck_ratio: {ratio}}}
head: {{kind: linear, classes: 4}}
"""
RULES = {
    "[12, 24]": [12, 24],
    "[16, 64]": [16, 64],
    "{kind: constant, width: 20}": [20, 20],
    "{kind: double, first: 9}": [9, 18],
}
CASES = list(itertools.product(RULES, ("regnet", "preact_regnet"), (1, 4, 7, 8), (0.25, 0.5, 1.0, 2.0)))


def told(loaded):
    return [note for note in notes(loaded) if note.message.startswith("stages.widths")]


@pytest.mark.parametrize(("widths", "block", "group", "ratio"), CASES)
def test_widths_that_become_others_are_said_and_no_others(widths, block, group, ratio, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(SPEC.format(widths=widths, block=block, group=group, ratio=ratio))
    loaded = load(path)
    built, written = [stage.width for stage in plan(loaded)], RULES[widths]
    messages = [note.message for note in told(loaded)]
    if built == written:
        assert messages == []
    else:
        assert messages == [f"stages.widths: {written} become {built}, as the block '{block}' rounds them"]


def test_no_shipped_network_has_others_than_it_writes():
    load_parts()
    assert [name for name, path in shipped_specs().items() if told(load(path))] == []

"""A shortcut that no block has is said to change nothing, and only then."""

import pytest

from resnet_gen.graph.fingerprint import fingerprint
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.language.notes import notes
from resnet_gen.parts import base
from resnet_gen.parts.registry import load_parts, members
from resnet_gen.problems import Refused

load_parts()
BLOCKS = sorted(part.model_fields["kind"].default for part in members(base.Block))
SHORTCUTS = ("projection_all", "zero_pad", "gated")
SPEC = """\
name: net
extends: cifar-resnet20
stages: {{block: {block}, widths: [64, 64, 64]{stated}}}
"""
NONE = "have no shortcut"


def loaded(tmp_path, block, stated=""):
    path = tmp_path / "net.yaml"
    path.write_text(SPEC.format(block=block, stated=stated))
    return load(str(path))


def networks(tmp_path, block, stated):
    """The networks that a block makes with each shortcut that it may have."""
    found = set()
    for kind in SHORTCUTS:
        try:
            found.add(repr(fingerprint(lower(loaded(tmp_path, block, stated.format(kind))))))
        except Refused:  # for a map of this shape
            continue
    return found


@pytest.mark.parametrize("stated", [", shortcut: {}", ", overrides: {{stage2: {{shortcut: {}}}}}"])
@pytest.mark.parametrize("block", BLOCKS)
def test_a_shortcut_is_said_to_change_nothing_where_it_changes_nothing(block, stated, tmp_path):
    told = [n for n in notes(loaded(tmp_path, block, stated.format("projection"))) if NONE in n.message]
    assert bool(told) == (len(networks(tmp_path, block, stated)) == 1)
    for note in told:
        assert (note.severity, "net.yaml:3:" in str(note)) == ("note", True)
        assert f"blocks of kind '{block}' {NONE}" in note.message


PLACES = ("stage2", "stage2.block2", "stage2-3", "stage3.block2-3", "stage1-3")


@pytest.mark.parametrize("shortcut_of", [None, "stage2", "stage2.block2", "stage1-3", "stage3.block2-3"])
@pytest.mark.parametrize("blocks", [("plain", "basic"), ("basic", "plain"), ("basic", "highway"), ("conv", "plain")])
@pytest.mark.parametrize("block_of", PLACES)
def test_what_is_said_of_some_blocks_is_held_against_those_blocks(blocks, block_of, shortcut_of, tmp_path):
    """Whatever the order of the overrides, and whichever blocks stand elsewhere."""
    block, other = blocks
    for keep in ([], ["stage1-3: {shortcut: zero_pad}"], ["stage2.block2: {shortcut: zero_pad}"]):
        for behind in (False, True):
            stated, before = "", [f"{block_of}: {{block: {other}}}"]
            if shortcut_of:
                before.insert(0, f"{shortcut_of}: {{shortcut: {{}}}}")
            else:
                stated = ", shortcut: {}"
            places = [*before, *keep] if behind else [*keep, *before]
            if len({place.split(":")[0] for place in places}) < len(places):
                continue
            stated += (
                f", overrides: {{{', '.join(places)}}}".replace("{", "{{").replace("}", "}}").replace("{{}}", "{}")
            )
            loc = f"stages.overrides.{shortcut_of}.shortcut" if shortcut_of else "stages.shortcut"
            told = [
                n for n in notes(loaded(tmp_path, block, stated.format("projection_all"))) if n.message.startswith(loc)
            ]
            assert bool(told) == (len(networks(tmp_path, block, stated)) == 1), (stated, told)


def test_nothing_is_said_of_what_is_inherited_or_of_one_stage_that_has_shortcuts(tmp_path):
    for stated in ("", ", overrides: {stage3: {block: basic}}, shortcut: projection"):
        assert not [n for n in notes(loaded(tmp_path, "plain", stated)) if NONE in n.message]

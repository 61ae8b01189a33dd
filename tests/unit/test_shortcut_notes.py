"""A shortcut that no block has is said to change nothing, and only then."""

import pytest

from resnet_gen.fingerprint import fingerprint
from resnet_gen.load import load
from resnet_gen.lower import lower
from resnet_gen.notes import notes
from resnet_gen.parts import base
from resnet_gen.parts.registry import load_parts, members
from resnet_gen.problems import Refused

load_parts()
BLOCKS = sorted(part.model_fields["kind"].default for part in members(base.Block))
SHORTCUTS = ("projection", "zero_pad", "gated")
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


def test_nothing_is_said_of_what_is_inherited_or_of_one_stage_that_has_shortcuts(tmp_path):
    for stated in ("", ", overrides: {stage3: {block: basic}}, shortcut: projection"):
        assert not [n for n in notes(loaded(tmp_path, "plain", stated)) if NONE in n.message]

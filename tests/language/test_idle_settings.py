"""A setting that changes nothing is said to, and no other is."""

import itertools

import pytest

from resnet_gen.graph.fingerprint import fingerprint
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.language.notes import notes
from resnet_gen.problems import Refused

SPEC = """\
name: net
input: {{size: 32}}
stem: {stem}
stages: {{depths: [1, 2], strides: {strides}, widths: [32, 64], block: {block}, downsample: {downsample}}}
antialias: {antialias}
head: {head}
"""
USUAL = {
    "stem": "{kind: conv3x3, width: 8}",
    "strides": "[1, 2]",
    "block": "basic",
    "downsample": "stride",
    "antialias": "none",
    "head": "{kind: linear, classes: 3}",
}
IDLE = "changes nothing: "


def read(tmp_path, **stated):
    path = tmp_path / "net.yaml"
    path.write_text(SPEC.format(**(USUAL | stated)))
    return load(str(path))


def network(tmp_path, **stated):
    """What is built, None where nothing can be."""
    try:
        return fingerprint(lower(read(tmp_path, **stated))).graph
    except Refused:
        return None


def told(tmp_path, **stated):
    return {note.message.split(": ")[0] for note in notes(read(tmp_path, **stated)) if IDLE in note.message}


BLOCK = {"base_width": (32, 128), "reduce_first": (2, 4), "groups": (2, 4), "stride_on": ("conv1", "conv2")}


@pytest.mark.parametrize("inner", ["[]", "[[8, 8], [16, 16], [16, 16]]"])
@pytest.mark.parametrize("kind", ["bottleneck", "preact_bottleneck"])
@pytest.mark.parametrize("key", BLOCK)
def test_settings_of_pruned_blocks_that_change_nothing_are_said_to(tmp_path, kind, inner, key):
    blocks = [f"{{kind: {kind}, inner: {inner}, {key}: {value}}}" for value in BLOCK[key]]
    built = {network(tmp_path, block=block) for block in (f"{{kind: {kind}, inner: {inner}}}", *blocks)}
    for block in blocks:
        assert told(tmp_path, block=block) == ({f"stages.block.{key}"} if len(built) == 1 else set())


HEAD = {"pool": (1, 2, 4, 8), "activation": ("tanh", "gelu"), "conv": ("false", "true"), "softmax": ("true", "false")}


@pytest.mark.parametrize("hidden", ["[]", "[8]"])
@pytest.mark.parametrize(("pool", "conv"), list(itertools.product(HEAD["pool"], HEAD["conv"])))
def test_settings_of_a_head_without_hidden_layers_that_change_nothing_are_said_to(tmp_path, hidden, pool, conv):
    common = {"kind": "mlp", "classes": 3, "hidden": hidden, "pool": pool, "conv": conv, "activation": "tanh"}
    idle = set()
    for key, values in HEAD.items():
        heads = [common | {key: value} for value in values]
        built = {network(tmp_path, head=f"{{{', '.join(f'{k}: {v}' for k, v in head.items())}}}") for head in heads}
        idle |= {key} if len(built) == 1 else set()
    if pool == 1:
        idle.discard("pool")  # of it and 'conv', either can be left away, and one is said
    if conv == "false":
        idle.discard("conv")  # which is what it is anyway
    head = f"{{{', '.join(f'{k}: {v}' for k, v in common.items())}}}"
    assert told(tmp_path, head=head) == {f"head.{key}" for key in idle}


STEMS = ["{kind: conv3x3, width: 8}", "{kind: conv7x7, width: 8}", "{kind: conv7x7, width: 8, pool: max_ceil}"]
SHRINKING = list(itertools.product(STEMS, ("[1, 1]", "[1, 2]", "[2, 1]", "[2, 2]")))


@pytest.mark.parametrize(("stem", "strides"), SHRINKING)
def test_choices_of_how_maps_shrink_are_said_to_change_nothing_where_none_does(tmp_path, stem, strides):
    for key, loc, kinds in (
        ("antialias", "antialias", ("blur", "average", "{kind: blur}")),
        ("downsample", "stages.downsample", ("max_pool", "{kind: max_pool, kernel: 3}")),
    ):
        plain = network(tmp_path, stem=stem, strides=strides)
        assert not told(tmp_path, stem=stem, strides=strides)
        for kind in kinds:
            same = network(tmp_path, stem=stem, strides=strides, **{key: kind}) == plain
            assert told(tmp_path, stem=stem, strides=strides, **{key: kind}) == ({loc} if same else set())

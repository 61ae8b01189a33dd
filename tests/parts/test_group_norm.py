"""Group norms by the number of groups or by their size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_gen.graph.matching import match
from resnet_gen.infer.proof import RecoveredSpec, live
from resnet_gen.infer.search import infer_spec
from resnet_gen.language.load import load, load_text
from resnet_gen.language.lower import lower
from resnet_gen.language.source import read_text
from resnet_gen.language.yaml_writer import dump
from resnet_gen.ops import GroupNorm
from resnet_gen.problems import Document, Refused

ALONE = ("claims=[]", "reference=null")
SMALL = ("stages.depths=[1,1]", "stages.shortcut=projection", "stem.width=8")


def spec(*settings, name="resnet50"):
    return load(name, (*ALONE, *settings))


@given(size=st.sampled_from([1, 2, 4, 8]), width=st.integers(1, 6))
def test_groups_of_a_size_are_as_many_as_fit_into_each_norm_s_channels(size, width):
    wide = (*SMALL, f"stages.widths=[{8 * width},{16 * width}]")
    loaded = spec(f"norm={{kind: group, group_size: {size}}}", *wide, name="cifar-resnet20")
    norms = [node for node in lower(loaded).nodes if isinstance(node.op, GroupNorm)]
    assert norms
    assert all(node.op.groups * size == node.shape[0] for node in norms)


@pytest.mark.parametrize(
    "norm", ["{kind: group, group_size: 4}", "{kind: group, groups: 4}", "group", "{kind: group, groups: 1}"]
)
def test_a_resolved_spec_is_the_same_spec(norm):
    loaded = spec(f"norm={norm}")
    again = load_text(read_text(Document("again.yaml", dump(loaded.resolved()))))
    assert again.digest() == loaded.digest()


def test_a_number_of_groups_is_told_as_it_was():
    assert spec("norm=group").resolved()["norm"] == {"kind": "group", "groups": 32, "eps": 1e-5}
    assert spec("norm={kind: group, group_size: 16}").resolved()["norm"] == {
        "kind": "group",
        "group_size": 16,
        "eps": 1e-5,
    }


@pytest.mark.parametrize(
    ("norm", "message", "under"),
    [
        ("{kind: group, group_size: 16, groups: 4}", "norm.group_size: 'groups' is said too", "16"),
        ("{kind: group, groups: null}", "norm.groups: neither it nor 'group_size'", "null"),
        ("{kind: group, group_size: 24}", "stem: 64 channels do not divide into groups of 24", "24"),
    ],
)
def test_both_neither_and_what_does_not_divide_are_refused_where_they_stand(norm, message, under):
    with pytest.raises(Refused) as caught:
        lower(spec(f"norm={norm}"))
    (problem,) = caught.value.problems
    assert problem.message == message
    assert problem.where.document.line(problem.where.line)[problem.where.column : problem.where.end] == under


def test_a_child_says_a_size_in_place_of_its_parent_s_number(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: resnet50_gn\nnorm: {groups: null, group_size: 16}")
    assert load(str(path)).spec.norm.group_size == 16


@pytest.mark.parametrize("norm", ["{kind: group, group_size: 4}", "{kind: group, groups: 4}", "layer"])
def test_either_is_recovered_from_a_graph(norm):
    graph = live(lower(spec(f"norm={norm}", *SMALL, "stages.widths=[8,16]", name="cifar-resnet20")))
    found = infer_spec(graph, "found")
    assert isinstance(found, RecoveredSpec), found
    assert match(live(found.graph), graph).same

"""From a name, a path and settings to a checked specification."""

import json
from pathlib import Path

import pytest

from resnet_gen.language.load import MAX_PARENTS, find_spec, load
from resnet_gen.language.spec import OWN_KEYS
from resnet_gen.problems import Refused
from resnet_gen.system.resources import shipped_specs

BASE = """\
name: base
title: The base
paper: Somebody 2015
reference: torchvision/resnet18
input: {size: 32}
stem: {kind: conv3x3, width: 8}
stages: {depths: [1, 1], widths: [8, 16], block: {kind: bottleneck, expansion: 2}}
head: {kind: linear, classes: 10}
deviations: {half-map-double-filters: why not}
claims: [{what: layers, value: 8, source: us}]
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes NAME.yaml into the working folder."""
    monkeypatch.chdir(tmp_path)

    def _write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text)

    return _write


def problem(*args):
    with pytest.raises(Refused) as caught:
        load(*args)
    return caught.value.problems[0]


def test_a_shipped_spec_is_found_by_name():
    loaded = load("resnet50")
    assert (loaded.spec.name, loaded.family) == ("resnet50", "resnet")
    assert str(loaded.source.span(("name",))) == "specs/resnet/resnet50.yaml:2:7"


def test_a_shipped_spec_is_the_same_by_its_path(monkeypatch):
    by_name, path = load("resnet50"), shipped_specs()["resnet50"]
    monkeypatch.chdir(path.parent)
    for reference in (str(path), "resnet50.yaml"):
        loaded = load(reference)
        assert (loaded.spec, loaded.family) == (by_name.spec, "resnet")
        assert loaded.source.span(("name",)).document.name == reference


def test_a_spec_of_ones_own_has_no_family_even_under_a_shipped_name(write):
    write(resnet50=BASE)
    assert load("resnet50.yaml").family == ""
    assert load("resnet50.yaml").spec.name == "base"
    assert load("resnet50").spec.name == "resnet50"


@pytest.mark.parametrize("reference", ["net.yaml", "net.yml", "dir/net", "dir\\net", "./net"])
def test_what_looks_like_a_path_is_one(reference):
    assert find_spec(reference) == Path(reference)
    assert problem(reference).message == "there is no such file"


@pytest.mark.parametrize(
    ("reference", "hint"),
    [("resnet5", "did you mean 'resnet50'?"), ("RESNET", "did you mean 'resnet50'?"), ("", None), ("x\0y", None)],
)
def test_an_unknown_name_is_refused_with_the_known_ones(reference, hint):
    found = problem(reference)
    assert found.message == f"there is no spec '{reference}'"
    assert found.hint == hint or found.hint.startswith("known: alphago-zero-20, ")


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
@pytest.mark.parametrize("name", ["my-network", "resnet5", "a.b", "n" * 240])
def test_a_file_that_is_named_without_its_suffix_is_told(write, tmp_path, name, suffix):
    (tmp_path / f"{name}.{suffix}").write_text(BASE)
    assert problem(name).hint == f"did you mean '{name}.{suffix}'?"
    (tmp_path / "nets").mkdir()
    (tmp_path / f"nets/{name}-2.{suffix}").write_text(BASE)
    (tmp_path / "nets/child.yaml").write_text(f"name: child\nextends: {name}-2\n")
    assert problem("nets/child.yaml").hint == f"did you mean '{name}-2.{suffix}'?"


def test_a_name_that_no_file_can_have_is_refused():
    assert problem("n" * 300 + ".yaml").message.startswith("cannot be read: ")
    message = problem("a\0b.yaml").message
    assert message == "there is no such file" or message.startswith("cannot be read: ")  # as Python says it


def test_a_child_changes_some_keys_of_its_parent(write):
    write(base=BASE, child="name: child\nextends: base.yaml\nstages: {depths: [2, 2]}\nhead: {classes: 5}\n")
    spec = load("child.yaml").spec
    assert (spec.name, spec.extends) == ("child", "base.yaml")
    assert (spec.stages.depths, spec.stages.widths.values, spec.stages.block.expansion) == ((2, 2), (8, 16), 2)
    assert (spec.head.classes, spec.stem.width, spec.input.size) == (5, 8, (32, 32))


def test_what_describes_one_network_is_not_inherited(write):
    write(base=BASE, child="name: child\nextends: base.yaml\n", nameless="extends: base.yaml\n")
    spec = load("child.yaml").spec
    assert (spec.title, spec.paper, spec.reference, spec.deviations, spec.claims) == ("", "", None, {}, ())
    assert problem("nameless.yaml").message == "name: missing"
    described = {"name", "extends", "parts", "title", "paper", "reference", "deviations", "claims", "budgets"}
    assert set(OWN_KEYS) == described


def test_another_kind_starts_from_its_own_defaults_and_the_same_kind_keeps_settings(write):
    write(
        base=BASE,
        other="name: n\nextends: base.yaml\nstem: {kind: conv7x7}\nstages: {block: basic}\n",
        same="name: n\nextends: base.yaml\nstages: {block: {kind: bottleneck, stride_on: conv1}}\n",
        short="name: n\nextends: base.yaml\nstages: {block: bottleneck}\n",
    )
    other, same, short = (load(f"{name}.yaml").spec for name in ("other", "same", "short"))
    assert (other.stem.kind, other.stem.width, other.stages.block.kind) == ("conv7x7", 64, "basic")
    assert (same.stages.block.expansion, same.stages.block.stride_on) == (2, "conv1")
    assert short.stages.block.expansion == 2


def test_grandparents_are_inherited_through_parents(write):
    write(
        base=BASE,
        middle="name: middle\nextends: base.yaml\nstages: {depths: [3, 3]}\nhead: {classes: 7}\n",
        child="name: child\nextends: middle.yaml\nhead: {classes: 5}\n",
    )
    spec = load("child.yaml").spec
    assert (spec.stages.depths, spec.head.classes, spec.stem.width) == ((3, 3), 5, 8)


def test_a_parent_is_a_shipped_name_or_a_file_beside_the_child(write, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "child.yaml").write_text("name: child\nextends: base.yaml\n")
    (tmp_path / "deep" / "base.yaml").write_text(BASE.replace("width: 8", "width: 9"))
    write(base=BASE, shipped="name: mine\nextends: resnet18\n")
    assert load("deep/child.yaml").spec.stem.width == 9
    assert load("shipped.yaml").spec.naming.kind == "torchvision"
    assert load("shipped.yaml").family == ""


def test_faults_in_a_parent_are_shown_in_the_parents_file(write):
    write(base=BASE.replace("width: 8", "width: 0"), child="name: child\nextends: base.yaml\n")
    assert str(problem("child.yaml").where) == "base.yaml:6:30"


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        ("nothing", "extends: there is no spec 'nothing'"),
        ("''", "extends: there is no spec ''"),
        ("nothing.yaml", "extends: there is no file 'nothing.yaml' beside this one"),
        ("folder.yaml", "extends: there is no file 'folder.yaml' beside this one"),
        ("notes.txt", "extends: there is no spec 'notes.txt'"),
        ("n" * 300 + ".yaml", f"extends: there is no file '{'n' * 57}...' beside this one"),
        ('"a\\0.yaml"', None),
        ("[base.yaml]", "extends: not the name of one spec"),
        ("3", "extends: not the name of one spec"),
        ("{}", "extends: not the name of one spec"),
        ("child.yaml", "extends: circular"),
        ("./child.yaml", "extends: circular"),
    ],
)
def test_a_parent_that_cannot_be_is_refused_at_its_place(write, tmp_path, parent, message):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "notes.txt").write_text(BASE)
    write(child=f"name: child\nextends: {parent}\n")
    found = problem("child.yaml")
    assert found.message == (message or "extends: there is no file 'a\0.yaml' beside this one")
    assert str(found.where) == "child.yaml:2:10"


def test_a_cycle_is_refused_and_shown(write):
    write(a="name: a\nextends: b.yaml\n", b="name: b\nextends: c.yaml\n", c="name: c\nextends: b.yaml\n")
    found = problem("a.yaml")
    assert (found.message, found.hint) == ("extends: circular", "a.yaml -> b.yaml -> c.yaml -> b.yaml")
    assert str(found.where) == "c.yaml:2:10"


@pytest.mark.parametrize(("parents", "fits"), [(MAX_PARENTS, True), (MAX_PARENTS + 1, False)])
def test_a_chain_of_parents_has_an_end(write, parents, fits):
    write(n0=BASE, **{f"n{i}": f"name: n{i}\nextends: n{i - 1}.yaml\n" for i in range(1, parents + 1)})
    if fits:
        assert load(f"n{parents}.yaml").spec.stem.width == 8
    else:
        assert problem(f"n{parents}.yaml").message == f"extends: more than {MAX_PARENTS} parents"


def test_an_empty_extends_is_none(write):
    write(net=f"{BASE}extends:\n")
    assert load("net.yaml").spec.extends is None


def test_settings_are_laid_over_parents_and_file_in_order(write):
    write(base=BASE, child="name: child\nextends: base.yaml\nhead: {classes: 5}\n")
    spec = load("child.yaml", ["stages.depths=[4, 4]", "head.classes=6", "head.classes=7", "norm=none"]).spec
    assert (spec.stages.depths, spec.head.classes, spec.norm.kind, spec.stem.width) == ((4, 4), 7, "none", 8)


def test_a_setting_of_a_part_merges_with_it(write):
    write(base=BASE)
    assert load("base.yaml", ["stages.block.stride_on=conv1"]).spec.stages.block.expansion == 2
    assert load("base.yaml", ["stages.block={kind: basic}"]).spec.stages.block.kind == "basic"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("head.clases=3", "--set:1:1: error: head.clases: unknown key"),
        ("head.classes=x", "--set:1:14: error: head.classes: 'x' is not a whole number"),
        ("head={kind: liner}", "--set:1:13: error: head: there is no 'liner' here"),
        ("name=../x", "--set:1:6: error: name: '../x' is not a name"),
        ("head", "--set:1:1: error: not of the form key=value"),
        ("extends=resnet50", "--set:1:1: error: extends: cannot be set, only written in a spec"),
        ("stages.depths.0=4", "--set:1:1: error: one value of a list cannot be set"),
    ],
)
def test_a_bad_setting_is_shown_in_its_own_text(write, text, shown):
    write(base=BASE)
    assert str(problem("base.yaml", [text])).startswith(shown)


def test_resolved_is_the_whole_specification_without_its_parent():
    resolved = load("resnet101-v1").resolved()
    assert "extends" not in resolved
    assert resolved["stages"]["depths"] == [3, 4, 23, 3]
    stated = {"kind": "bottleneck", "expansion": 4, "stride_on": "conv1"}
    defaults = {"groups": 1, "base_width": 64, "reduce_first": 1, "inner": []}
    assert resolved["stages"]["block"] == stated | defaults
    assert resolved["norm"] == {"kind": "batch", "eps": 1e-5}


def test_resolved_can_be_loaded_again_and_is_the_same_network(write):
    write()
    for name in ("resnet34-c", "highway-c", "preact1001", "vgg16"):
        loaded = load(name)
        Path("again.yaml").write_text(json.dumps(loaded.resolved()))
        assert load("again.yaml").digest() == loaded.digest()


def test_the_digest_is_of_the_network_and_not_of_its_text(write):
    write(
        base=BASE,
        spread=BASE.replace("stem: {kind: conv3x3, width: 8}", "# a comment\nstem:\n  width: 8\n  kind: conv3x3"),
        child=f"extends: base.yaml\n{BASE}",
    )
    assert len({load(f"{name}.yaml").digest() for name in ("base", "spread", "child")}) == 1


def test_the_digest_is_the_same_on_every_machine():
    assert (
        load("resnet50").canonical().startswith('{"activation":{"kind":"relu"},"antialias":{"kind":"none"},"claims":[{')
    )
    assert load("resnet50").digest() == load(str(shipped_specs()["resnet50"])).digest()


@pytest.mark.parametrize(
    "change",
    [
        "name=other",
        "stages.depths=[1, 2]",
        "norm={kind: batch, eps: 2e-5}",
        "head.softmax=true",
        "input.size=33",
        "title=T",
        "claims=[]",
    ],
)
def test_any_change_gives_another_digest(write, change):
    write(base=BASE)
    assert load("base.yaml", [change]).digest() != load("base.yaml").digest()


def test_shipped_specs_have_digests_of_their_own():
    assert len({load(name).digest() for name in shipped_specs()}) == len(shipped_specs())

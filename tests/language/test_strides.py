"""Strides of stages: what they do to widths, names and the papers' rules."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_gen.graph.matching import match
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.language.notes import notes
from resnet_gen.language.plan import plan
from tests.helpers.varied import EVERY
from tests.helpers.verification import verify
from tests.properties.test_specs import examples

ALONE = ("claims=[]", "reference=null")
REID = "name: reid\nextends: resnet50\ninput: {size: [256, 128]}\nhead: none\nstages: "
"""The trunk that re-identification uses; its figures are those of fast-reid's and deep-person-reid's ResNet-50."""


def shapes(*settings):
    return {name: tensor.shape for name, tensor in lower(load(*settings[:1], settings[1:])).state().items()}


def design(loaded):
    return [found.rule for found in verify(loaded, lower(loaded)) if "filters" in (found.rule or "")]


@pytest.mark.parametrize("stages", ["{strides: [1, 2, 2, 1]}", "{last_stride: 1}"])
def test_a_last_stride_of_one_keeps_resnet50s_weights_and_the_rules(stages, tmp_path, cli):
    path = tmp_path / "reid.yaml"
    path.write_text(REID + stages)
    code, out, _ = cli("count", path)
    assert (code, out.split("\n")[1].split()[2:5]) == (0, ["23,508,032", "53,120", "4,053,270,528"])
    assert shapes(str(path)) == shapes("resnet50", "head=none")
    assert cli("verify", path)[:2] == (0, "ok     reid: 0 claims\n")


@pytest.mark.parametrize("name", EVERY)
def test_every_network_keeps_its_weights_and_its_rules_with_another_last_stride(name):
    whole = load(name, (*ALONE, "head=none"))
    last = plan(whole)[-1]
    larger = load(name, (*ALONE, "head=none", "stages.last_stride=1"))
    state = lower(larger).state()
    assert {n: t.shape for n, t in state.items()} == {n: t.shape for n, t in lower(whole).state().items()}
    assert design(larger) == design(whole)
    assert plan(larger)[-1] == last._replace(stride=1, withheld=plan(larger)[-1].withheld)


def test_a_last_stride_is_the_same_network_as_strides_and_widths_written_out():
    written = lower(load("resnet50", (*ALONE, "stages.strides=[1,2,2,1]", "stages.widths=[64,128,256,512]")))
    assert match(lower(load("resnet50", (*ALONE, "stages.last_stride=1"))), written).same
    assert match(lower(load("resnet50", (*ALONE, "stages.strides=[1,2,2,1]"))), written).same


@given(
    strides=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    pooled=st.booleans(),
    last=st.none() | st.integers(1, 3),
)
def test_strides_change_no_width_and_are_told_where_one_would_expect_it(strides, pooled, last):
    settings = [f"stages.depths={[1] * len(strides)}", f"stages.strides={strides}", "head=none", "input.size=4096"]
    settings += ["stem.width=4", "stages.widths.first=4"]
    settings += ["stages.downsample=max_pool"] * pooled + [f"stages.last_stride={last}"] * (last is not None)
    loaded = load("cifar-resnet20", (*ALONE, *settings))
    assert [stage.width for stage in plan(loaded)] == [4 * 2**stage for stage in range(len(strides))]
    entering = strides[:-1] if pooled else strides[1:]
    told = [note for note in notes(loaded) if note.message.startswith("stages.strides")]
    assert bool(told) == any(stride != 2 for stride in entering)
    assert "same-map-same-filters" not in design(loaded)


@examples(30)
@given(strides=st.lists(st.integers(1, 3), min_size=2, max_size=5), data=st.data())
def test_widths_that_are_written_out_are_held_to_the_map_that_there_is(strides, data):
    widths = data.draw(st.lists(st.sampled_from([8, 16, 32]), min_size=len(strides), max_size=len(strides)))
    settings = (f"stages.depths={[1] * len(strides)}", f"stages.strides={strides}", f"stages.widths={widths}")
    loaded = load("cifar-resnet20", (*ALONE, *settings, "input.size=512", "head=none", "stages.shortcut=projection"))
    steps = zip(strides[1:], pairwise(widths), strict=True)
    wanted = {1: "same-map-same-filters", 2: "half-map-double-filters"}
    broken = [wanted[stride] for stride, (a, b) in steps if stride in wanted and b != stride * a]
    assert sorted(design(loaded)) == sorted(broken)
    assert notes(loaded) == []


@pytest.mark.parametrize("command", ["show", "count", "verify", "build", "generate"])
def test_what_strides_do_to_widths_is_said_at_once(command, tmp_path, cli):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: cifar-resnet20\nstages: {strides: [1, 2, 1]}")
    options = {"build": ("-o", tmp_path), "generate": ("--to", "pytorch", "-o", tmp_path)}.get(command, ())
    code, _, err = cli(command, path, *options)
    assert code == 0
    assert f"{path}:3:19: note: stages.strides: the widths stay [16, 32, 64], whatever the strides of stage 3\n" in err
    path.write_text("name: mine\nextends: cifar-resnet20\nstages: {last_stride: 1}")
    assert "note" not in cli(command, path, *options)[2]


def test_a_last_stride_goes_with_a_dilation():
    loaded = load("resnet50", (*ALONE, "stages.output_stride=8", "stages.last_stride=1"))
    assert [(stage.stride, stage.dilation) for stage in plan(loaded)] == [(1, 1), (2, 1), (1, 2), (1, 2)]
    assert design(loaded) == []


@pytest.mark.parametrize(
    ("settings", "stages"),
    [(("head=none", "outputs=[stage2]"), 2), (("head=none", "outputs=[stage3, stage1]"), 3), (("outputs=[stage1]",), 4),
     (("head=none",), 4)],
)  # fmt: skip
def test_no_stage_is_planned_behind_the_last_that_is_put_out(settings, stages):
    assert len(plan(load("resnet18", (*ALONE, *settings)))) == stages

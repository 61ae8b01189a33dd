"""The emitted ONNX computes what the reference networks compute, for weights and an image known to both.

A representative dozen of `make parity`, which compares all; and networks at other
sizes, dilated, cut off and with other channels, against outputs that timm and
torchvision computed (`reference/make_outputs.py`).
"""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from resnet_gen.language.load import load
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.system.resources import references_folder
from resnet_gen.weights.base import CHUNK
from resnet_gen.weights.standardization import standardize_weights
from tests.helpers import parity
from tests.helpers.onnx_runs import TOLERANCE, Session, difference, network, run, session
from tests.helpers.parity import SIDES, Streamed, logits, of_variants, specs
from tests.reference import make_outputs, weights_rule

CHOSEN = [
    "torchvision/resnet18",
    "torchvision/resnet50",
    "torchvision/regnet_y_400mf",
    "timm/ecaresnet50d_pruned",
    "timm/legacy_seresnet18",
    "timm/regnetv_040",
    "timm/regnetz_005",
    "timm/res2net50_14w_8s",
    "timm/resnest50d_1s4x24d",
    "timm/resnetblur18",
    "timm/resnetrs50",
    "timm/resnetv2_50x1_bit",
    "timm/skresnet18",
    pytest.param("timm/vgg11_bn", marks=pytest.mark.long),
]
"""Each family of parts at least once."""


def largest_later(case):
    """A case whose network takes ten times as long as others with its parts waits for `make test-all`."""
    return pytest.param(*case, marks=pytest.mark.long if case[0] == "timm/senet154" else ())


@pytest.mark.parametrize("reference", CHOSEN)
def test_the_emitted_network_computes_the_reference_outputs(reference, tmp_path):
    for variant, off, drawn, sizes in of_variants(reference, tmp_path):
        assert off < TOLERANCE, variant
        assert max(drawn.asked) <= CHUNK
        assert max(sizes) <= 4 * CHUNK, "never more than a run of rows was written at a time"


def test_every_reference_with_outputs_has_a_spec():
    stored = {f"{path.parent.name}/{path.stem}" for path in references_folder().glob("*/*.json")}
    assert set(logits()) == set(SIDES) == set(specs()) == stored
    assert len(stored) == 141


def test_tensors_are_drawn_as_the_rule_draws_them_in_whatever_runs():
    graph = network("resnet18")
    name, shape = "layer1.0.conv1.weight", (64, 64, 3, 3)
    drawn = Streamed(graph)
    parts = [drawn.rows(name, *run) for run in ((0, 5), (5, 40), (50, 64), (3, 50))]
    whole = weights_rule.tensor(name, shape)
    for part, (start, stop) in zip(parts, ((0, 5), (5, 40), (50, 64), (3, 50)), strict=True):
        np.testing.assert_array_equal(part, whole[start:stop])


@pytest.mark.parametrize("end", ["fc.weight", "layer4.1.bn2.running_var", "conv1.weight"])
def test_the_outputs_tell_if_one_tensor_is_another(end):
    """Else agreement above would prove little: each tensor in turn scaled by 1.01 is far outside the bound."""
    graph = network("resnet18", "input.size=96")

    class Off(Streamed):
        def rows(self, name, start, stop):
            return super().rows(name, start, stop) * np.float32(1.01 if name == end else 1)

    model = b"".join(OnnxFile(graph, Off(graph), WriterOptions()).chunks())
    found = run(model, weights_rule.image(96))
    assert difference(found[0], logits()["torchvision/resnet18"]) > 10 * TOLERANCE


def computed(name, x, *settings):
    """The outputs of the spec of a reference network under the rule's weights, by name."""
    graph = network(specs()[name], *settings)
    graph, weights = standardize_weights(graph, Streamed(graph))
    running = session(b"".join(OnnxFile(graph, weights, WriterOptions()).chunks()))
    found = running.run(None, {running.get_inputs()[0].name: x})
    return dict(zip([value.name for value in running.get_outputs()], found, strict=True))


@pytest.fixture(scope="module")
def more():
    with np.load(parity.REFERENCE / "more_outputs.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.parametrize(("name", "side"), [largest_later(case) for case in make_outputs.LOGITS.items()])
def test_the_outputs_agree_at_another_size_of_the_image(name, side, more):
    found = computed(name, weights_rule.image(side), f"input.size={side}")["logits"]
    assert difference(found[0], more[f"{name}/{side}"]) < TOLERANCE


@pytest.mark.parametrize(("name", "stride", "channels"), [largest_later(case) for case in make_outputs.FEATURES])
def test_the_maps_of_backbones_agree_dilated_cut_off_and_with_other_channels(name, stride, channels, more):
    settings = ["input.size=96", f"input.channels={channels}", "head=none", "outputs=[stage1, stage2, stage3, stage4]"]
    found = computed(name, make_outputs.image(96, channels), *settings, f"stages.output_stride={stride}")
    assert list(found) == ["stage1", "stage2", "stage3", "stage4"]
    for stage, values in found.items():
        wanted = more[f"{make_outputs.key(name, stride, channels)}/{stage}"]
        assert difference(values.ravel()[:: make_outputs.STEP], wanted) < TOLERANCE, stage
        assert values.shape[-1] == math.ceil(96 / min(stride, 2 ** (int(stage[5:]) + 1)))


@pytest.mark.parametrize("variant", make_outputs.VARIANTS)
def test_variants_that_nobody_publishes_agree_with_timm_s_own(variant, more):
    (_, _, shape), (name, *settings) = make_outputs.VARIANTS[variant]
    graph = network(name, f"input.size=[{shape[1]}, {shape[2]}]", *settings)
    model = b"".join(OnnxFile(graph, Streamed(graph), WriterOptions()).chunks())
    found = Session(model, optimized=True).run(make_outputs.oblong(shape))
    assert difference(found[0], more[variant]) < TOLERANCE


def test_everything_stored_is_compared(more):
    compared = {f"{name}/{side}" for name, side in make_outputs.LOGITS.items()}
    compared |= set(make_outputs.VARIANTS)
    compared |= {f"{make_outputs.key(*of)}/stage{n}" for of in make_outputs.FEATURES for n in range(1, 5)}
    assert set(more) == compared


def test_a_backbone_is_its_network_without_what_follows():
    whole, cut = network("resnet50"), network("resnet50", "head=none", "outputs=[stage2, stage3]")
    assert [value.shape for value in cut.outputs] == [(512, 28, 28), (1024, 14, 14)]
    assert list(cut.state()) == [name for name in whole.state() if not re.match(r"layer4|fc", name)]
    assert load("resnet50", ["outputs=[stage2]"]).spec.head.kind == "linear"
    assert [v.name for v in network("resnet50", "outputs=[stage4, stage2]").outputs] == ["stage4", "stage2", "logits"]

"""Weights under other names: every scheme there and back, layouts, heads, channels, what is said and refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from resnet_gen.cli import cli
from resnet_gen.infer.conversion.files import plan_conversion, write_conversion
from resnet_gen.infer.conversion.layouts import widen_input
from resnet_gen.infer.conversion.plan import ConversionOptions, ConversionPlan
from resnet_gen.infer.conversion.schemes import (
    FLAX,
    LIBRARIES,
    NamingScheme,
    build_network,
    find_scheme,
    list_namings,
    number_pattern,
)
from resnet_gen.infer.conversion.source import find_source
from resnet_gen.language.load import load
from resnet_gen.language.lower import with_classes_and_channels
from resnet_gen.problems import Refused
from resnet_gen.system.resources import shipped_specs
from resnet_gen.weights import checkpoint
from resnet_gen.weights.formats import writing
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import TINY
from tests.helpers.shipped import shipped

SMALL = {
    "resnet18": ("stages.depths=[1, 1]", "stages.widths={kind: double, first: 4}", "stem.width=4"),
    "timm-resnet50": ("stages.depths=[1, 1]", "stages.widths={kind: double, first: 4}", "stem.width=4"),
    "seresnet18": ("stages.depths=[1, 1]", "stages.widths={kind: double, first: 16}", "stem.width=16"),
    "regnet_y_400mf": ("stages.depths=[1]", "stages.widths={kind: list, values: [16]}", "stages.strides=[2]"),
    "regnetv_040": ("stages.depths=[1]", "stages.widths={kind: list, values: [64]}", "stages.strides=[2]"),
    "vgg11": ("stages.depths=[1, 1]", "stages.widths=[4, 6]", "head.hidden=[5, 7]", "head.pool=8"),
    "timm-vgg11_bn": ("stages.depths=[1, 1]", "stages.widths=[4, 6]", "head.hidden=[5, 7]", "head.pool=8"),
    "resnetv2_50": ("stages.depths=[2]", "stages.widths=[16]"),
    "resnetv2_50x1_bit": ("stages.depths=[1]", "stages.widths=[64]"),
    "skresnet18": ("stages.depths=[1]", "stages.widths=[64]"),
    "legacy_seresnet18": ("stages.depths=[1]", "stages.widths=[64]"),
    "res2net50_26w_4s": ("stages.depths=[1]", "stages.widths=[64]"),
    "resnest14d": ("stages.depths=[1]", "stages.widths=[64]", "stem.widths=[8, 8, 256]"),
    "ecaresnet50d": ("stages.depths=[1]", "stages.widths=[64]"),
}
"""A network of each scheme, and of each kind of tensor, made small."""


def small(name, *settings):
    size = "input.size=32"
    return load(name, (size, "head.classes=3", "reference=null", *SMALL[name], *settings))


def drawn(loaded, dtype="float32"):
    """A value of its own for every element of every tensor, under the spec's names."""
    rng = np.random.default_rng(0)
    state = build_network(loaded).graph.state()
    return {n: rng.integers(1, 2**15, t.shape).astype(dtype) / np.array(2**8, dtype) for n, t in state.items()}


def kept(tensors):
    return {
        name: writing.tensor_data(array.shape, array.dtype, lambda array=array: array)
        for name, array in tensors.items()
    }


def file_of(path, tensors):
    path.write_bytes(b"".join(writing.FORMATS[path.suffix](kept(tensors))))
    return path


def read(path):
    return {name: tensor.exact() for name, tensor in checkpoint.read(path, counters=True).items()}


def assert_same(found, tensors):
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].shape == array.shape, name
        assert found[name].tobytes() == array.tobytes(), name


def converted(loaded, path, out, to=None, called=None, **change):
    made = plan_conversion(loaded, path, out, to, called, ConversionOptions(**change))
    write_conversion(made, out, path)
    return made


def targets(loaded):
    """Every scheme that is for a network: its own, our paths, Flax's, and those that libraries have for it."""
    whole = build_network(loaded)
    found = dict.fromkeys([loaded.spec.naming.kind, "paths", FLAX])
    for library in LIBRARIES:
        try:
            found[find_scheme(library, whole, "--to").kind] = None
        except Refused:
            continue
    return list(found)


# --- there and back ----------------------------------------------------------


class Tagged:
    """A tensor of any size that holds one number, its own."""

    dtype = np.dtype("<f4")

    def __init__(self, number, shape):
        self.number, self.shape = number, shape

    def exact(self):
        return np.broadcast_to(np.float32(self.number), self.shape)


def tagged(rows):
    """The tensors that rows write, if every element of each has still the number of one tensor."""
    found = {}
    for row in rows:
        (chunk, *_) = row.tensor.chunks()
        found[row.new] = Tagged(np.frombuffer(chunk[:4], "<f4")[0], row.shape)
    return found


def layouts():
    """The shipped networks; all but the first of each combination of parts are for `make test-all`."""
    seen = set()
    for name in shipped_specs():
        spec = shipped(name).spec
        parts = (spec.naming, spec.stem, spec.head, spec.norm, spec.stages.block, spec.stages.shortcut)
        key = (*(part.kind for part in parts), spec.stages.attention.kind, getattr(spec.head, "conv", None))
        yield pytest.param(name, marks=[pytest.mark.long] if key in seen else [])
        seen.add(key)


@pytest.mark.parametrize("name", list(layouts()))
def test_every_tensor_of_a_shipped_network_finds_back_from_every_scheme(name, monkeypatch):
    monkeypatch.setattr(writing, "row_ranges", lambda shape: [(0, 1)] if shape[0] else [])
    loaded = shipped(name)
    whole = build_network(loaded)
    own = whole.schemes[0]
    tensors = {n: Tagged(i, t.shape) for i, (n, t) in enumerate(whole.graph.state().items())}
    for kind in targets(loaded):
        scheme = find_scheme(kind, whole, "--to") if kind not in LIBRARIES else own
        source = find_source(whole, shapes(tensors), None, "")
        there = tagged(ConversionPlan(whole, tensors, source, scheme, ConversionOptions()).rows)
        assert len(there) == len(tensors), kind
        source = find_source(whole, shapes(there), None, "")
        assert source.scheme.names == scheme.names
        back = tagged(ConversionPlan(whole, there, source, own, ConversionOptions()).rows)
        assert {n: (t.number, t.shape) for n, t in back.items()} == {
            n: (t.number, t.shape) for n, t in tensors.items()
        }, kind


def shapes(tensors):
    return {name: tensor.shape for name, tensor in tensors.items()}


@pytest.mark.parametrize("name", SMALL)
def test_every_scheme_gives_every_bit_to_every_other_and_back(name, tmp_path):
    loaded = small(name)
    tensors = drawn(loaded)
    given = file_of(tmp_path / "given.pt", tensors)
    schemes = targets(loaded)
    assert len(schemes) >= 3
    for first in schemes:
        converted(loaded, given, tmp_path / "first.pt", first)
        for second in schemes:
            converted(loaded, tmp_path / "first.pt", tmp_path / "second.pt", second)
            converted(loaded, tmp_path / "second.pt", tmp_path / "back.pt")
            found = read(tmp_path / "back.pt")
            assert_same({n: found[n] for n in tensors}, tensors)


@pytest.mark.parametrize("suffix", writing.FORMATS)
def test_every_format_gives_every_bit_back(suffix, tmp_path):
    loaded = small("vgg11")
    tensors = drawn(loaded)
    given = file_of(tmp_path / f"given{suffix}", tensors)
    converted(loaded, given, tmp_path / f"there{suffix}", FLAX)
    converted(loaded, tmp_path / f"there{suffix}", tmp_path / f"back{suffix}")
    assert_same(read(tmp_path / f"back{suffix}"), tensors)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("to", [FLAX, "timm"])
def test_other_element_types_are_kept(dtype, to, tmp_path):
    loaded = small("vgg11")
    tensors = drawn(loaded, np.dtype(getattr(ml_dtypes, dtype, dtype)))
    given = file_of(tmp_path / "given.safetensors", tensors)
    converted(loaded, given, tmp_path / "there.pth", to)
    converted(loaded, tmp_path / "there.pth", tmp_path / "back.safetensors")
    assert_same(read(tmp_path / "back.safetensors"), tensors)


def test_the_same_weights_are_the_same_bytes(tmp_path):
    loaded = small("resnet18")
    given = file_of(tmp_path / "given.npz", drawn(loaded))
    for suffix in writing.FORMATS:
        for name in "ab":
            converted(loaded, given, tmp_path / f"{name}{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


# --- layouts -----------------------------------------------------------------


def test_flax_s_leaves_and_layouts(tmp_path):
    loaded = small("regnet_y_400mf")
    tensors = drawn(loaded)
    converted(loaded, file_of(tmp_path / "given.npz", tensors), tmp_path / "flax.npz", FLAX)
    found = read(tmp_path / "flax.npz")
    assert len(found) == len(tensors)
    np.testing.assert_array_equal(found["stem.0.kernel"], tensors["stem.0.weight"].transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(found["fc.kernel"], tensors["fc.weight"].T)
    np.testing.assert_array_equal(found["fc.bias"], tensors["fc.bias"])
    for theirs, ours in {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}.items():
        np.testing.assert_array_equal(found[f"stem.1.{theirs}"], tensors[f"stem.1.{ours}"])
    se = "trunk_output.block1.block1-0.f.se.fc1"
    np.testing.assert_array_equal(found[f"{se}.kernel"][0, 0], tensors[f"{se}.weight"][:, :, 0, 0].T)


def test_a_convolution_along_channels_in_flax(tmp_path):
    loaded = small("ecaresnet50d")
    tensors = drawn(loaded)
    converted(loaded, file_of(tmp_path / "given.npz", tensors), tmp_path / "flax.npz", FLAX)
    name = next(n for n, t in tensors.items() if t.ndim == 3)
    flax = read(tmp_path / "flax.npz")[f"{name.removesuffix('weight')}kernel"]
    np.testing.assert_array_equal(flax, tensors[name].transpose(2, 1, 0))


def test_vgg_s_first_linear_layer_is_a_convolution_over_the_map_in_timm(tmp_path):
    loaded = small("vgg11")
    tensors = drawn(loaded)
    made = converted(loaded, file_of(tmp_path / "given.npz", tensors), tmp_path / "timm.npz", "timm")
    found = read(tmp_path / "timm.npz")
    assert found["pre_logits.fc1.weight"].shape == (5, 6, 8, 8)
    assert found["pre_logits.fc2.weight"].shape == (7, 5, 1, 1)
    assert found["head.fc.weight"].shape == (3, 7)
    assert found["pre_logits.fc1.weight"].tobytes() == tensors["classifier.0.weight"].tobytes()
    done = {row.new: row.done for row in made.rows}
    assert done["pre_logits.fc1.weight"] == ("reshaped from 5x384",)
    assert done["head.fc.weight"] == ("copied",)


def test_a_checkpoint_of_timm_s_vgg_fits_torchvision_s_spec_only_by_conversion(tmp_path):
    tensors = drawn(small("timm-vgg11_bn"))
    given = file_of(tmp_path / "given.npz", tensors)
    converted(small("timm-vgg11_bn"), given, tmp_path / "torchvision.npz", "torchvision")
    found = read(tmp_path / "torchvision.npz")
    assert found["classifier.0.weight"].shape == (5, 384)
    assert found["classifier.0.weight"].tobytes() == tensors["pre_logits.fc1.weight"].tobytes()


# --- which scheme ------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "library", "kind"),
    [
        ("resnet50", "torchvision", "torchvision"),
        ("resnet50", "timm", "timm_resnet"),
        ("timm-resnet50", "torchvision", "torchvision"),
        ("resnet50d", "timm", "timm_resnet"),
        ("regnet_y_400mf", "timm", "timm_regnet"),
        ("regnety_004", "torchvision", "torchvision_regnet"),
        ("vgg16_bn", "timm", "timm_vgg"),
        ("timm-vgg16", "torchvision", "torchvision_vgg"),
        ("legacy_seresnet18", "timm", "timm_senet"),
        ("resnetv2_50", "timm", "timm_resnetv2"),
        ("skresnet18", "timm", "timm_sknet"),
        ("regnetv_040", "timm", "timm_regnetv"),
        ("preact110", "timm", "timm_resnetv2"),
        ("plain34", "torchvision", "torchvision"),
    ],
)
def test_a_library_s_scheme_for_a_network(spec, library, kind):
    assert find_scheme(library, build_network(load(spec)), "--to").kind == kind


BY_KIND = "hint: a naming scheme by its own name is taken for any network: see docs/weights.md"


@pytest.mark.parametrize(
    ("spec", "called", "message"),
    [
        ("resnetv2_50", "torchvision", f"--to: torchvision has no network of 'preact_bottleneck' blocks\n{BY_KIND}"),
        ("highway-a", "timm", f"--to: timm has no network of 'highway' blocks\n{BY_KIND}"),
        (
            "seresnet50",
            "torchvision",
            f"--to: torchvision has no tensor like 'layer1.0.attention.fc1.weight'\n{BY_KIND}",
        ),
        ("resnet50d", "torchvision", f"--to: torchvision has no tensor like 'norm1.weight'\n{BY_KIND}"),
        (
            "resnet50",
            "timm_resnets",
            "--to: there is no naming scheme 'timm_resnets'\nhint: did you mean 'timm_resnet'? known: flax, "
            "mmdetection_resnet, mmpretrain_resnet, paths, timm, timm_regnet, timm_regnetv, timm_resnet, "
            "timm_resnetv2, timm_senet, timm_sknet, timm_vgg, torchvision, torchvision_regnet, torchvision_vgg, "
            "transformers_regnet, transformers_resnet",
        ),
    ],
)
def test_a_library_without_such_a_network_is_refused(spec, called, message):
    with pytest.raises(Refused) as refused:
        find_scheme(called, build_network(load(spec)), "--to")
    assert str(refused.value) == f"error: {message}"


def test_a_library_has_one_usual_scheme_for_each_kind_of_blocks():
    for library in LIBRARIES:
        kinds = [kind for naming in list_namings() if naming.library == library for kind in naming.blocks]
        assert kinds
        assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("layer1.0.conv2.weight", "layer#.#.conv2.weight"),
        ("s1.b12.conv2.bn.bias", "s#.b#.conv2.bn.bias"),
        ("trunk_output.block1.block1-10.f.a.0.weight", "trunk_output.block#.block#-#.f.a.#.weight"),
        ("stages.0.blocks.3.norm1.weight", "stages.#.blocks.#.norm1.weight"),
        ("conv1.weight", "conv1.weight"),
    ],
)
def test_names_are_alike_but_for_numbers_of_places(name, like):
    assert number_pattern(name) == like


def test_a_scheme_that_names_only_part_of_a_file_is_not_its_scheme(tmp_path):
    loaded = small("resnet18")
    tensors = drawn(loaded)
    del tensors["layer2.0.bn1.weight"]
    given = file_of(tmp_path / "given.npz", tensors)
    with pytest.raises(Refused) as refused:
        plan_conversion(loaded, given, tmp_path / "out.npz")
    assert str(refused.value) == f"{given}: error: 'layer2.0.bn1.weight' is missing: 8 is needed"


def test_the_scheme_that_is_asked_for_is_held_to(tmp_path):
    loaded = small("regnet_y_400mf")
    given = file_of(tmp_path / "given.npz", drawn(loaded))
    assert plan_conversion(loaded, given, tmp_path / "out.npz", called="torchvision").source == "torchvision_regnet"
    with pytest.raises(Refused, match=r"'stem\.conv\.weight' is missing"):
        plan_conversion(loaded, given, tmp_path / "out.npz", called="timm")


def test_names_that_two_schemes_have_for_different_layers_are_refused():
    whole = build_network(small("resnet18"))
    own = whole.schemes[0]
    conv1, conv2 = ((f"stages.0.0.conv{number}", "weight") for number in (1, 2))
    names = {**own.names, conv1: own.names[conv2], conv2: own.names[conv1]}
    swapped = NamingScheme("swapped", own.naming, names)
    two = whole._replace(schemes=[own, swapped])
    with pytest.raises(Refused) as refused:
        find_source(two, whole.shapes(own), None, "w.pth")
    assert str(refused.value) == (
        "w.pth: error: its names are of 'torchvision' and of 'swapped', which mean different layers\n"
        "hint: --from says which"
    )
    assert find_source(two, whole.shapes(own), "torchvision", "w.pth").scheme is own


def test_every_tensor_of_a_safetensors_file_is_aligned_to_its_type(tmp_path):
    """As PyTorch's view of the bytes needs it."""
    arrays = {"a": np.zeros(3, np.float16), "b": np.zeros((), np.int64), "c": np.zeros(5, np.float32)}
    data = file_of(tmp_path / "mixed.safetensors", arrays).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0
    assert {n: header[n]["data_offsets"][0] % array.itemsize for n, array in arrays.items()} == dict.fromkeys("abc", 0)


def test_a_prefix_is_taken_off_and_stands_in_the_report(tmp_path):
    loaded = small("resnet18")
    tensors = drawn(loaded)
    given = file_of(tmp_path / "given.npz", {f"_orig_mod.module.{n}": t for n, t in tensors.items()})
    made = converted(loaded, given, tmp_path / "out.npz")
    assert made.prefix == "_orig_mod.module."
    assert (made.rows[0].old, made.rows[0].new) == ("_orig_mod.module.conv1.weight", "conv1.weight")
    assert_same(read(tmp_path / "out.npz"), tensors)


# --- heads -------------------------------------------------------------------


@pytest.fixture
def three(tmp_path):
    """A small ResNet-18 for 3 classes, its tensors and their file."""
    loaded = small("resnet18")
    tensors = drawn(loaded)
    return loaded, tensors, file_of(tmp_path / "three.npz", tensors)


def test_another_number_of_classes_is_refused_with_what_helps(three, tmp_path):
    _, _, given = three
    with pytest.raises(Refused) as refused:
        plan_conversion(small("resnet18", "head.classes=7"), given, tmp_path / "out.npz")
    assert str(refused.value) == (
        f"{given}: error: 'fc.weight' is 3x8, not 7x8\n"
        f"{given}: error: 'fc.bias' is 3, not 7\n"
        "hint: --head init draws the head anew, --head drop leaves it out, --classes 3 keeps it"
    )


def test_a_head_is_dropped(three, tmp_path):
    _, tensors, given = three
    made = converted(small("resnet18", "head.classes=7"), given, tmp_path / "out.npz", head="drop")
    assert_same(read(tmp_path / "out.npz"), {n: t for n, t in tensors.items() if not n.startswith("fc.")})
    assert [(row.old, row.new, row.done) for row in made.rows[-2:]] == [
        ("fc.weight", None, ("dropped",)),
        ("fc.bias", None, ("dropped",)),
    ]
    assert made.totals() == {"written": len(tensors) - 2, "copied": len(tensors) - 2, "dropped": 2}


@pytest.mark.parametrize("to", ["torchvision", FLAX])
def test_a_head_is_drawn_as_a_build_draws_it(to, three, tmp_path):
    _, tensors, given = three
    loaded = small("resnet18", "head.classes=7")
    made = converted(loaded, given, tmp_path / "out.npz", to, head="init", seed=5)
    wanted = SeededWeights(build_network(loaded).graph, 5)
    found = read(tmp_path / "out.npz")
    weight = found["fc.kernel"].T if to == FLAX else found["fc.weight"]
    np.testing.assert_array_equal(weight, wanted.rows("fc.weight", 0, 7))
    np.testing.assert_array_equal(found["fc.bias"], np.zeros(7, np.float32))
    assert len(found) == len(tensors)
    done = [row.done for row in made.rows if row.old is None]
    assert done == [("initialized with seed 5",)] * 2


def test_a_head_that_the_file_has_not_is_drawn_or_left_out(three, tmp_path):
    loaded, tensors, _ = three
    body = {n: t.astype(np.float16) for n, t in tensors.items() if not n.startswith("fc.")}
    given = file_of(tmp_path / "body.npz", body)
    with pytest.raises(Refused, match=r"'fc\.weight' is missing: 3x8 is needed"):
        plan_conversion(loaded, given, tmp_path / "out.npz")
    converted(loaded, given, tmp_path / "without.npz", head="drop")
    assert_same(read(tmp_path / "without.npz"), body)
    converted(loaded, given, tmp_path / "with.npz", head="init")
    assert read(tmp_path / "with.npz")["fc.weight"].dtype == np.float16


@pytest.mark.parametrize("to", ["torchvision", FLAX])
@pytest.mark.parametrize("head", [None, "drop", "init"])
@pytest.mark.parametrize("classes", [3, 7])
def test_what_is_said_of_a_head_is_done_whether_the_file_s_would_fit_or_not(classes, head, to, three, tmp_path):
    _, tensors, given = three
    loaded = small("resnet18", f"head.classes={classes}")
    if head is None and classes != 3:
        with pytest.raises(Refused, match="--head init draws the head anew"):
            plan_conversion(loaded, given, tmp_path / "out.npz", to, None, ConversionOptions(head))
        return
    converted(loaded, given, tmp_path / "out.npz", to, head=head, seed=5)
    found = read(tmp_path / "out.npz")
    weights = [array.T if to == FLAX else array for name, array in found.items() if name in ("fc.weight", "fc.kernel")]
    drawn = SeededWeights(build_network(loaded).graph, 5).rows("fc.weight", 0, classes)
    wanted = {None: [tensors["fc.weight"]], "drop": [], "init": [drawn]}[head]
    assert len(weights) == len(wanted)
    for ours, theirs in zip(weights, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_head_that_the_network_has_not_is_neither_dropped_nor_drawn(three, tmp_path):
    _, tensors, _ = three
    given = file_of(tmp_path / "body.npz", {n: t for n, t in tensors.items() if not n.startswith("fc.")})
    loaded = small("resnet18", "head=none", "outputs=[stage2]")
    with pytest.raises(Refused, match="--head drop means nothing: 'resnet18' has no head"):
        plan_conversion(loaded, given, tmp_path / "out.npz", None, None, ConversionOptions("drop"))
    given = file_of(tmp_path / "whole.npz", tensors)
    with pytest.raises(Refused, match="--head init means nothing: 'resnet18' has no head"):
        plan_conversion(loaded, given, tmp_path / "out.npz", None, None, ConversionOptions("init"))


ANOTHER_HEAD = "head={kind: mlp, pool: 1, hidden: [6], classes: 3}"
BODIES = ["resnet18", "timm-resnet50", "regnet_y_400mf", "vgg11", "timm-vgg11_bn", "resnetv2_50", "ecaresnet50d"]


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("to", ["paths", FLAX])
@pytest.mark.parametrize("name", BODIES)
def test_a_file_s_head_is_dropped_for_a_network_that_has_none(name, to, prefix, tmp_path):
    whole, cut = small(name), small(name, "head=none")
    tensors = drawn(whole)
    converted(whole, file_of(tmp_path / "own.npz", tensors), tmp_path / "there.npz", to)
    given = file_of(tmp_path / "given.npz", {prefix + n: t for n, t in read(tmp_path / "there.npz").items()})
    made = converted(cut, given, tmp_path / "out.npz", head="drop")
    assert_same(read(tmp_path / "out.npz"), {n: tensors[n] for n in build_network(cut).graph.state()})
    dropped = {row.old for row in made.rows if row.done == ("dropped",)}
    assert dropped | {row.old for row in made.rows if row.new} == read(given).keys()
    assert len(dropped) == len(tensors) - len(build_network(cut).slots)


@pytest.mark.parametrize("head", ["drop", "init"])
@pytest.mark.parametrize("to", [None, "paths", FLAX])
@pytest.mark.parametrize("name", BODIES)
def test_another_head_in_the_file_is_left_out_and_the_network_s_drawn_whole(name, to, head, tmp_path):
    given, other = small(name), small(name, ANOTHER_HEAD)
    for theirs, ours in ((given, other), (other, given)):
        tensors = drawn(theirs)
        converted(theirs, file_of(tmp_path / "own.npz", tensors), tmp_path / "given.npz", to)
        made = converted(ours, tmp_path / "given.npz", tmp_path / "out.npz", head=head, seed=5)
        found, graph = read(tmp_path / "out.npz"), build_network(ours).graph
        body = build_network(small(name, "head=none")).graph.state()
        assert_same({n: found[n] for n in body}, {n: tensors[n] for n in body})
        assert found.keys() == (graph.state().keys() if head == "init" else body.keys())
        for new in found.keys() - body.keys():
            np.testing.assert_array_equal(found[new], SeededWeights(graph, 5).rows(new, 0, len(found[new])))
        assert {row.old for row in made.rows if row.old} == read(tmp_path / "given.npz").keys()


@pytest.mark.parametrize("name", BODIES)
def test_a_file_of_the_body_alone_is_given_the_whole_head(name, tmp_path):
    loaded = small(name, ANOTHER_HEAD)
    body = drawn(small(name, "head=none"))
    given = file_of(tmp_path / "given.npz", body)
    assert_same(body, read(given))
    converted(loaded, given, tmp_path / "without.npz", head="drop")
    assert_same(read(tmp_path / "without.npz"), body)
    converted(loaded, given, tmp_path / "with.npz", head="init")
    assert read(tmp_path / "with.npz").keys() == build_network(loaded).graph.state().keys()


@pytest.mark.parametrize(
    ("settings", "copied"),
    [
        ("head.classes=7", {"classifier.0", "classifier.3"}),  # the last layer is other, those before it are kept
        ("head.hidden=[5, 9]", set()),
        ("head.hidden=[5]", set()),  # the first fits, in a head of more layers
        ("head.hidden=[5, 7, 7]", set()),
    ],
)
def test_hidden_layers_are_kept_where_they_are_the_same_and_drawn_whole_where_one_is_not(settings, copied, tmp_path):
    given = file_of(tmp_path / "given.npz", drawn(small("vgg11")))
    made = converted(small("vgg11", settings), given, tmp_path / "out.npz", head="init")
    rows = {row.new: row.done for row in made.rows if row.new and row.new.startswith("classifier.")}
    assert {name.rpartition(".")[0] for name, done in rows.items() if done == ("copied",)} == copied
    assert {done for name, done in rows.items() if name.rpartition(".")[0] not in copied} == {
        ("initialized with seed 0",)
    }


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ("head=none", "--head drop leaves out what is not of this network"),
        (ANOTHER_HEAD, "--head init draws the head anew, --head drop leaves it out"),
    ],
)
@pytest.mark.parametrize("name", ["resnet18", "regnet_y_400mf", "resnetv2_50"])
def test_another_head_is_refused_with_what_helps(name, settings, hint, tmp_path):
    given = file_of(tmp_path / "given.npz", drawn(small(name)))
    with pytest.raises(Refused) as refused:
        plan_conversion(small(name, settings), given, tmp_path / "out.npz")
    assert "belongs to no layer of" in str(refused.value)
    assert str(refused.value).endswith(f"hint: {hint}")


@pytest.mark.parametrize(
    ("extra", "settings"),
    [
        ("aux.fc.weight", ()),  # beside a whole head it is another module's
        ("layer1.9.conv1.weight", ()),
        ("layer1.9.conv1.weight", ("head=none",)),
        ("layer1.9.conv1.weight", (ANOTHER_HEAD,)),
    ],
)
def test_what_is_no_head_s_is_refused_whatever_is_said_of_the_head(extra, settings, three, tmp_path):
    _, tensors, _ = three
    given = file_of(tmp_path / "given.npz", {**tensors, extra: tensors["fc.weight"]})
    with pytest.raises(Refused, match=f"'{extra}' belongs to no layer"):
        plan_conversion(small("resnet18", *settings), given, tmp_path / "out.npz", change=ConversionOptions("drop"))


@pytest.mark.parametrize("outputs", ["outputs=[stage1]", "outputs=[stage1, stage2]"])
@pytest.mark.parametrize("name", ["resnet18", "regnet_y_400mf"])
def test_what_lies_behind_a_backbone_is_dropped_as_a_build_leaves_it_out(name, outputs, tmp_path):
    deep = ("stages.depths=[1, 1]", "stages.widths={kind: list, values: [16, 32]}", "stages.strides=[1, 2]")
    whole, cut = small(name, *deep), small(name, *deep, "head=none", outputs)
    tensors = drawn(whole)
    converted(cut, file_of(tmp_path / "given.npz", tensors), tmp_path / "out.npz", head="drop")
    assert_same(read(tmp_path / "out.npz"), {n: tensors[n] for n in build_network(cut).graph.state()})


def test_counters_of_norms_in_another_head_go_with_it(three, tmp_path):
    _, tensors, _ = three
    features = small("resnet18", "head.features=6")
    norm = {n: t for n, t in drawn(features).items() if n not in tensors}
    counters = {n.replace("running_var", "num_batches_tracked"): np.array(3, "<i8") for n in norm if "running_var" in n}
    assert len(counters) == 1
    given = file_of(tmp_path / "given.npz", {**tensors, **norm, **counters})
    made = converted(small("resnet18", "head=none"), given, tmp_path / "none.pth", head="drop")
    assert not counters.keys() & read(tmp_path / "none.pth").keys()
    assert counters.keys() <= {row.old for row in made.rows if row.done == ("dropped",)}
    converted(features, file_of(tmp_path / "own.npz", {**tensors, **counters}), tmp_path / "new.pth", head="init")
    assert read(tmp_path / "new.pth")[next(iter(counters))] == 0
    converted(features, file_of(tmp_path / "old.npz", tensors), tmp_path / "dropped.pth", head="drop")
    assert not counters.keys() & read(tmp_path / "dropped.pth").keys()


# --- channels ----------------------------------------------------------------


@pytest.mark.parametrize("source", ["torchvision", FLAX])
@pytest.mark.parametrize(("channels", "what"), [(1, "summed over channels"), (5, "repeated over channels times 3/5")])
def test_the_first_convolution_is_made_for_other_channels(channels, what, source, three, tmp_path):
    loaded, tensors, given = three
    converted(loaded, given, tmp_path / "source.npz", source)
    other = small("resnet18", f"input.channels={channels}", "input.mean=null", "input.std=null")
    made = converted(other, tmp_path / "source.npz", tmp_path / "out.npz", "torchvision", channels=True)
    weight = tensors["conv1.weight"].astype(np.float64)
    summed = weight.sum(1, keepdims=True)
    wanted = summed if channels == 1 else weight[:, [0, 1, 2, 0, 1]] * 0.6
    np.testing.assert_allclose(read(tmp_path / "out.npz")["conv1.weight"], wanted, rtol=1e-6)
    assert what in {row.new: row.done for row in made.rows}["conv1.weight"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_channels_are_summed_in_float32_at_least_and_kept_in_their_own_type(dtype):
    weight = np.array([2048, 1, 1]).astype(getattr(ml_dtypes, dtype, dtype)).reshape(1, 3, 1, 1)
    made = widen_input(weight, 1)
    assert made.dtype == weight.dtype
    assert made.item() == np.array(2050).astype(weight.dtype).item(), "2048 + 1 is 2048 in float16"


def test_of_a_first_convolution_that_is_standardized_it_is_said_that_outputs_change(tmp_path):
    given = file_of(tmp_path / "given.npz", drawn(small("resnetv2_50x1_bit")))
    other = small("resnetv2_50x1_bit", "input.channels=1", "input.mean=null", "input.std=null")
    with pytest.warns(UserWarning, match="'stem.conv.weight' is standardized when it is used: with other channels"):
        plan_conversion(other, given, tmp_path / "out.npz", change=ConversionOptions(channels=True))


def test_one_channel_becomes_several_that_sum_to_it():
    weight = np.arange(1, 9, dtype=np.float32).reshape(2, 1, 2, 2)
    made = widen_input(weight, 4)
    assert made.shape == (2, 4, 2, 2)
    np.testing.assert_array_equal(made.sum(1, keepdims=True), weight)


def test_other_channels_are_refused_unless_asked_for(three, tmp_path):
    _, _, given = three
    other = small("resnet18", "input.channels=1", "input.mean=null", "input.std=null")
    with pytest.raises(Refused) as refused:
        plan_conversion(other, given, tmp_path / "out.npz")
    assert str(refused.value) == (
        f"{given}: error: 'conv1.weight' is 4x3x7x7, not 4x1x7x7\n"
        "hint: --in-channels 1 changes it, --in-channels 3 keeps it"
    )


def test_filters_of_neither_one_nor_three_channels_are_refused(tmp_path):
    five = small("resnet18", "input.channels=5", "input.mean=null", "input.std=null")
    given = file_of(tmp_path / "five.npz", drawn(five))
    with pytest.raises(Refused, match="--in-channels changes filters of 1 and of 3 channels alone"):
        plan_conversion(small("resnet18"), given, tmp_path / "out.npz", change=ConversionOptions(channels=True))


# --- counters and values -----------------------------------------------------


def test_counters_are_kept_made_for_pytorch_and_dropped_for_flax(three, tmp_path):
    loaded, tensors, given = three
    norms = [name.removesuffix("running_var") for name in tensors if name.endswith("running_var")]
    for suffix, made in {".pth": len(norms), ".safetensors": len(norms), ".npz": 0}.items():
        converted(loaded, given, tmp_path / f"zero{suffix}")
        found = read(tmp_path / f"zero{suffix}")
        zeros = {n: t for n, t in found.items() if n.endswith("num_batches_tracked")}
        assert len(zeros) == made
        assert all(t.dtype == np.int64 and t.shape == () and t == 0 for t in zeros.values())
    counted = {f"{norm}num_batches_tracked": np.array(number, "<i8") for number, norm in enumerate(norms, 3)}
    given = file_of(tmp_path / "counted.safetensors", {**tensors, **counted})
    converted(loaded, given, tmp_path / "again.npz", "timm")
    assert_same(read(tmp_path / "again.npz"), {**tensors, **counted})
    made = converted(loaded, given, tmp_path / "flax.npz", FLAX)
    assert len(read(tmp_path / "flax.npz")) == len(tensors)
    assert made.totals()["dropped"] == len(norms)


@pytest.mark.parametrize(
    ("name", "counter", "said"),
    [
        ("bogus.num_batches_tracked", np.array(3), "belongs to no layer of 'resnet18'"),
        ("conv1.num_batches_tracked", np.array(3), "belongs to no layer of 'resnet18'"),
        ("bn1.num_batches_tracked", np.zeros(5, "<i8"), "is 5 of int64, not a scalar of int64"),
        ("bn1.num_batches_tracked", np.array(3.7, "<f4"), "is a scalar of float32, not a scalar of int64"),
    ],
)
def test_counters_that_no_norm_can_have_are_refused(name, counter, said, three, tmp_path):
    loaded, tensors, _ = three
    given = file_of(tmp_path / "counted.npz", {**tensors, name: counter})
    with pytest.raises(Refused, match=f"'{name}' {said}"):
        plan_conversion(loaded, given, tmp_path / "out.npz")


def test_a_new_head_has_the_type_of_the_last_filters(three, tmp_path):
    loaded, tensors, _ = three
    kinds = {name: "<f2" if array.ndim > 1 else "<f4" for name, array in tensors.items()}
    found = {"bn1.num_batches_tracked": np.array(3), **{n: a.astype(kinds[n]) for n, a in tensors.items()}}
    given = file_of(tmp_path / "headless.npz", {n: a for n, a in found.items() if not n.startswith("fc.")})
    converted(loaded, given, tmp_path / "out.npz", head="init")
    made = read(tmp_path / "out.npz")
    assert {made["fc.weight"].dtype, made["fc.bias"].dtype} == {np.dtype("<f2")}
    assert np.abs(made["fc.weight"]).max() > 0


@pytest.mark.parametrize("head", ["drop", "init"])
def test_a_head_of_which_a_part_is_missing_is_renewed_whole(head, three, tmp_path):
    loaded, tensors, _ = three
    given = file_of(tmp_path / "half.npz", {n: a for n, a in tensors.items() if n != "fc.bias"})
    made = converted(loaded, given, tmp_path / "out.npz", head=head)
    assert ("fc.weight", ("dropped",)) in [(row.old, row.done) for row in made.rows]
    assert {n for n in read(tmp_path / "out.npz") if n.startswith("fc.")} == (
        {"fc.weight", "fc.bias"} if head == "init" else set()
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.nan, "has values that are not finite"), (60000, "for other channels has values beyond what float16 holds")],
)
def test_filters_that_other_channels_cannot_be_computed_of_are_refused(value, said, three, tmp_path):
    loaded, tensors, _ = three
    found = {name: array.astype("<f2") for name, array in tensors.items()}
    found["conv1.weight"][:] = value
    given, out = file_of(tmp_path / "half.npz", found), tmp_path / "out.npz"
    with pytest.raises(Refused, match=f"'conv1.weight' {said}"):
        converted(with_classes_and_channels(loaded, channels=1), given, out, channels=True)
    assert not out.exists()


@pytest.mark.parametrize("to", ["torchvision", FLAX])
def test_values_that_are_not_finite_are_copied_and_warned_of(to, three, tmp_path):
    loaded, tensors, _ = three
    tensors["bn1.bias"][0] = np.nan
    tensors["layer1.0.conv1.weight"][1, 2] = -np.inf
    given = file_of(tmp_path / "nan.npz", tensors)
    with pytest.warns(UserWarning, match="not finite") as caught:
        converted(loaded, given, tmp_path / "there.npz", to)
    message = f"{given}: 2 tensors with values that are not finite: 'bn1.bias', 'layer1.0.conv1.weight'"
    assert [str(warning.message) for warning in caught] == [message]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted(loaded, tmp_path / "there.npz", tmp_path / "back.npz")
    assert_same(read(tmp_path / "back.npz"), tensors)


def test_bfloat16_is_refused_for_npz_and_nothing_is_written(tmp_path):
    loaded = small("resnet18")
    given = file_of(tmp_path / "given.pth", drawn(loaded, ml_dtypes.bfloat16))
    with pytest.raises(Refused, match=r"'conv1\.weight' is bfloat16, which \.npz cannot hold"):
        converted(loaded, given, tmp_path / "out.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given.pth"]


# --- the command line --------------------------------------------------------


def run(capsys, *arguments):
    cli.main(["weights", *map(str, arguments)], standalone_mode=False)
    return capsys.readouterr()


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A file of the weights of the smallest network of the tests, in the working folder."""
    monkeypatch.chdir(tmp_path)
    file_of(Path("tiny.npz"), drawn(load(str(TINY))))
    return str(TINY)


REPORT = """\
in the file                    in the result            shape    type     what was done
stem.conv.weight               stem.conv.kernel         3x3x1x4  float32  transposed
stem.norm.weight               stem.norm.scale          4        float32  copied
stem.norm.bias                 stem.norm.bias           4        float32  copied
stem.norm.running_mean         stem.norm.mean           4        float32  copied
stem.norm.running_var          stem.norm.var            4        float32  copied
"""


def test_the_report_has_a_line_a_tensor_and_the_totals(tiny, capsys):
    out, err = run(capsys, "convert", tiny, "tiny.npz", "--to", "flax", "-o", "flax.npz")
    assert out.startswith(REPORT)
    assert out.endswith("\ntiny: paths to flax\nflax.npz: 17 written, 13 copied, 4 transposed\n")
    assert err == ""


def test_the_report_in_json(tiny, capsys):
    out, _ = run(capsys, "convert", tiny, "tiny.npz", "--to", "flax", "-o", "flax.npz", "--format", "json")
    report = json.loads(out)
    assert {key: value for key, value in report.items() if key != "tensors"} == {
        "network": "tiny",
        "from": "paths",
        "to": "flax",
        "prefix": "",
        "renamed": [],
        "file": "flax.npz",
        "totals": {"written": 17, "copied": 13, "transposed": 4},
    }
    assert report["tensors"][0] == {
        "old": "stem.conv.weight",
        "new": "stem.conv.kernel",
        "shape": [3, 3, 1, 4],
        "dtype": "float32",
        "done": ["transposed"],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "out.bin"), "out.bin: error: no format of weights is called '.bin'\nhint: the name ends in one of "
         ".safetensors, .npz, .pth, .pt"),
        (("-o", "tiny.npz", "--force"), "tiny.npz: error: cannot be written: the command reads it"),
        (("-o", "there.npz"), "there.npz: error: exists already\nhint: --force replaces it"),
        (("-o", "none/out.npz"), "none: error: cannot be written: there is no such folder"),
        (("-o", "out.npz", "--seed", "1"), "error: --seed means nothing without --head init"),
        (("-o", "out.npz", "--set", "head=none", "--classes", "3"),
         "error: classes: a head of kind 'none' has no number of classes"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused(arguments, message, tiny, capsys):
    Path("there.npz").write_bytes(b"")
    with pytest.raises(Refused) as refused:
        run(capsys, "convert", tiny, "tiny.npz", *arguments)
    assert str(refused.value) == message


def test_show_lists_a_file_s_tensors_and_a_spec_s(tiny, capsys):
    out, _ = run(capsys, "show", "tiny.npz")
    assert out.splitlines()[0].split() == ["name", "shape", "type"]
    assert out.splitlines()[1].split() == ["stem.conv.weight", "4x1x3x3", "float32"]
    listed = json.loads(run(capsys, "show", "tiny.npz", "--format", "json").out)
    assert listed == json.loads(run(capsys, "show", tiny, "--format", "json").out)
    assert listed[0] == {"name": "stem.conv.weight", "shape": [4, 1, 3, 3], "dtype": "float32"}
    with pytest.raises(Refused, match="--set means nothing for a file of weights"):
        run(capsys, "show", "tiny.npz", "--set", "input.size=9")


def test_a_name_of_a_file_can_neither_forge_lines_nor_widen_the_table(tmp_path, capsys):
    """`show` prints any file's names; JSON has them whole."""
    names = ["a\x1b[31m\n\rerror: x", "b" * 1_000_000]
    path = file_of(tmp_path / "given.npz", {name: np.zeros(3, np.float32) for name in names[:1]})
    listed = run(capsys, "show", path).out.splitlines()
    assert [line.split() for line in listed[1:]] == [["a\\x1b[31m\\n\\rerror:", "x", "3", "float32"]]
    path = file_of(tmp_path / "long.safetensors", {name: np.zeros(3, np.float32) for name in names})
    listed = run(capsys, "show", path).out.splitlines()
    assert len(listed) == 3
    assert max(map(len, listed)) < 150
    assert {row["name"] for row in json.loads(run(capsys, "show", path, "--format", "json").out)} == set(names)


def test_a_prefix_that_a_terminal_would_obey_is_escaped(tiny, capsys):
    path = file_of(Path("prefixed.npz"), {f"\x1b[31m\n.{n}": t for n, t in drawn(load(tiny)).items()})
    out = run(capsys, "convert", tiny, path, "--to", "flax", "-o", "flax.npz").out
    assert "\x1b" not in out
    assert "(every name with '\\x1b[31m\\n.' before it)" in out
    assert len(out.splitlines()) == 1 + len(drawn(load(tiny))) + 3

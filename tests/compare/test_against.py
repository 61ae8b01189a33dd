"""`verify --against`: whether a file implements a spec, as somebody at the command line meets it."""

import itertools
import json
import re

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

from resnet_gen import verify
from resnet_gen.language.load import load
from resnet_gen.onnx.reading.process import NoAnswerError
from resnet_gen.quantization.linear_as_conv import linear_as_conv
from resnet_gen.system.digest import digest_file
from resnet_gen.verify.rules import RULES
from resnet_gen.weights.folding import fold_batch_norm
from tests.helpers.against_files import engine_beside, wrap_pixels
from tests.helpers.onnx_runs import TINY, session
from tests.helpers.varied import spread
from tests.onnx.reading.models import Hand, file, network

WEIGHTS = TINY.with_name("float32.safetensors")
HERE = f"{TINY}:2:7: error: "


@pytest.fixture
def built(cli, tmp_path):
    """Builds the small network, with options; returns its file."""

    def build(*options, spec=TINY, name="tiny"):
        assert cli("build", spec, "-o", tmp_path / "out", "--weights", WEIGHTS, "--force", *options)[0] == 0
        return tmp_path / "out" / f"{name}.onnx"

    return build


@pytest.mark.parametrize(
    ("options", "how"),
    [
        ((), "batch norm kept, fp32"),
        (("--fold-bn",), "batch norm folded, fp32"),
        (("--precision", "fp16"), "batch norm kept, fp16"),
        (("--precision", "bf16", "--fold-bn", "--io", "typed"), "batch norm folded, bf16, images given as bfloat16"),
        (("--precision", "int8", "--for", "cpu", "--calibration", "random"), "batch norm folded, int8"),
        (("--precision", "fp8", "--calibration", "random"), "batch norm folded, fp8"),
    ],
)
def test_a_file_of_the_spec_is_told_with_how_it_is_written(options, how, built, cli):
    file = built(*options)
    code, out, err = cli("verify", TINY, "--against", file)
    assert (code, err) == (0, "1 spec, 0 findings\n")
    left = "weights and ranges of activations" if how.endswith("8") else "weights"
    assert out == f"ok     tiny: 0 claims, all 4 layers of {file} (named as in the spec, {how}), {left} not compared\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), f", weights exactly those of {WEIGHTS}"),
        (("--fold-bn",), f", weights exactly those of {WEIGHTS}"),
        (("--precision", "fp16"), f", weights those of {WEIGHTS}, each number within "),
        (("--precision", "bf16", "--fold-bn"), f", weights those of {WEIGHTS}, each number within "),
        (
            ("--precision", "int8", "--for", "cpu", "--calibration", "random"),
            ", their biases within [0-9.e-]+ of what calibration may correct, ranges of activations 1 to 1 times",
        ),
        (
            ("--precision", "fp8", "--calibration", "random"),
            ", each number within [56].[0-9]e-02 of itself, their biases within [0-9.e-]+ of what calibration may ",
        ),
    ],
)
def test_weights_are_compared_within_what_rounding_explains(options, words, built, cli):
    file = built(*options)
    code, out, _ = cli("verify", TINY, "--against", file, "--weights", WEIGHTS)
    assert code == 0
    assert re.search(words, out)
    assert "not compared" not in out


def test_other_weights_are_found_and_the_largest_differences_named(built, cli, tmp_path):
    file = built()
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        if tensor.name == "stages.0.0.conv1.weight":
            array = numpy_helper.to_array(tensor).copy()
            array[0, 0, 0, 0] += np.abs(array).max()
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, file)
    code, out, err = cli("verify", TINY, "--against", file, "--weights", WEIGHTS)
    message = f"{file}: 'stages.0.0.conv1.weight' is not that of {WEIGHTS}: number [0, 0, 0, 0] is "
    assert (code, err) == (1, "1 spec, 1 finding\n")
    assert f"{HERE}{message}" in out
    assert re.search(r"is [\d.-]+, there [\d.-]+ \[against-weight\]$", out, re.MULTILINE)


@pytest.mark.parametrize("row", [0, 2, -1])
@pytest.mark.parametrize("options", [(), ("--fold-bn",)])
def test_a_number_is_found_in_any_run_of_rows(row, options, built, cli, monkeypatch):
    """Of tensors that are read in several runs, the worst number of all of them is told."""
    file = built(*options)
    model = onnx.load(file)
    (tensor,) = (t for t in model.graph.initializer if t.name == "stages.0.0.conv1.weight")
    array = numpy_helper.to_array(tensor).copy()
    array[row, 0, 0, 0] += np.abs(array).max()
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, file)
    monkeypatch.setattr("resnet_gen.weights.base.CHUNK", 1)
    code, out, _ = cli("verify", TINY, "--against", file, "--weights", WEIGHTS)
    assert (code, f"number [{row % len(array)}, 0, 0, 0] is " in out) == (1, True)


def test_a_changed_scale_of_eight_bits_is_found(built, cli):
    file = built("--precision", "int8", "--for", "cpu", "--calibration", "random")
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("conv2.weight_scale"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.1), tensor.name))
    onnx.save(model, file)
    code, out, _ = cli("verify", TINY, "--against", file, "--weights", WEIGHTS)
    assert code == 1
    assert "'stages.0.0.conv2.weight' is not that of" in out


def moved_bias(model, layer):
    """The file with a number of a layer's bias changed."""
    for tensor in model.graph.initializer:
        if tensor.name.startswith(f"{layer}.bias"):
            array = numpy_helper.to_array(tensor).copy()
            array[0] += np.abs(array).max()
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
            return model
    raise AssertionError(layer)


def test_the_bias_of_a_layer_that_is_not_in_eight_bits_is_compared(built, cli):
    """One activation of the file is rounded to eight bits, and no weight."""
    file = built("--fold-bn")
    model = onnx.load(file)
    place = next(i for i, node in enumerate(model.graph.node) if node.op_type == "Relu")
    result = model.graph.node[place].output[0]
    model.graph.node[place].output[0] = "raw"
    model.graph.node.insert(place + 1, onnx.helper.make_node("QuantizeLinear", ["raw", "scale"], ["eight"]))
    model.graph.node.insert(place + 2, onnx.helper.make_node("DequantizeLinear", ["eight", "scale"], [result]))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.05), "scale"))
    onnx.save(model, file)
    code, out, _ = cli("verify", TINY, "--against", file, "--weights", WEIGHTS)
    assert (code, "int8), weights exactly those of" in out, "not compared" in out) == (0, True, False)
    onnx.save(moved_bias(model, "head.fc"), file)
    code, out, _ = cli("verify", TINY, "--against", file, "--weights", WEIGHTS)
    assert (code, f"'head.fc.bias' is not that of {WEIGHTS}" in out) == (1, True)


def test_biases_of_eight_bit_files_are_compared_layer_by_layer(built, cli):
    for layer, where in (("stages.0.0.conv1", "eight bits"), ("head.fc", "float")):
        file = built("--precision", "fp8", "--calibration", "random")
        onnx.save(moved_bias(onnx.load(file), layer), file)
        code, out, _ = cli("verify", TINY, "--against", file, "--weights", WEIGHTS)
        assert (code, f"'{layer}.bias' is not that of {WEIGHTS}" in out) == (1, True)
        assert ("as calibration may correct it" in out) == (where == "eight bits")


def changed(cli, file, *settings):
    """The messages of comparing the file with the spec with settings."""
    options = [part for text in settings for part in ("--set", text)]
    code, out, _ = cli("verify", TINY, *options, "--against", file, "--format", "json")
    assert code == 1
    return [(f["rule"], f["message"].removeprefix(f"{file}")) for f in json.loads(out)]


def test_a_moved_stride_is_one_difference(built, cli):
    found = changed(cli, built(), "stages.strides=[2]")
    assert found[0] == (
        "against-layer",
        ": 'stages.0.0.conv1' is 3x3, 4, where the spec has 'stages.0.0.conv1', 3x3, 4, stride 2",
    )
    assert [rule for rule, _ in found] == ["against-layer"] * len(found)


@pytest.mark.parametrize("options", [("--select", "claim"), ("--ignore", "against-shape"), ("--config", "p.toml")])
def test_what_is_asked_for_is_compared_whatever_rules_are_chosen(built, cli, tmp_path, monkeypatch, options):
    file = built()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.toml").write_text(f'specs = ["{TINY}"]\nselect = ["claim", "budget"]\n')
    code, out, _ = cli("verify", TINY, "--set", "stages.strides=[2]", "--against", file, *options)
    assert code == 1
    assert "[against-layer]" in out
    assert cli("verify", TINY, "--against", file, *options)[0] == 0


BREAKS = {
    "against-layer": ("--set", "activation=tanh"),
    "against-shape": ("--set", "input.size=16"),
    "against-weight": ("--weights", "others"),
    "against-engine": ("--set", "head.classes=7"),
    "against-surroundings": ("--set", "input.mean=[0.5]"),
}
"""What makes the spec, or its weights, other than the file: each breaks its rule."""


@pytest.fixture
def broken(built, tmp_path):
    """The file, and the words after it with which it breaks a rule."""

    def broken(rule):
        others = tmp_path / "others.safetensors"
        save_file({name: np.asarray(values + 1) for name, values in load_file(WEIGHTS).items()}, others)
        makers = {"against-engine": engine_beside, "against-surroundings": wrap_pixels}
        file = makers[rule](built()) if rule in makers else built()
        return file, [str(others) if word == "others" else word for word in BREAKS[rule]]

    return broken


def test_each_rule_of_against_has_what_breaks_it():
    assert BREAKS.keys() == {rule for rule in RULES if rule.startswith("against-")}


@pytest.mark.parametrize("rule", BREAKS)
@pytest.mark.parametrize("option", ["select", "ignore"])
@pytest.mark.parametrize("by", ["project", "command line"])
def test_no_file_passes_because_of_a_choice_that_the_line_does_not_tell(
    rule, option, by, broken, cli, tmp_path, monkeypatch
):
    file, words = broken(rule)
    chosen = {"select": "claim", "ignore": rule}[option]
    monkeypatch.chdir(tmp_path)
    if by == "project":
        (tmp_path / "resnet-gen.toml").write_text(f'{option} = ["{chosen}"]\n')
    given = () if by == "project" else (f"--{option}", chosen)
    code, out, _ = cli("verify", TINY, "--against", file, *words, *given)
    if (by, option) == ("command line", "ignore"):
        what = {"layer": "layers", "shape": "shapes", "weight": "weights", "surroundings": "what is around the network"}
        what["engine"] = "the manifest, layers, shapes and weights"
        assert re.search(rf"^ok .* {file}.*, {what[rule.removeprefix('against-')]}\b.* not compared$", out, re.M)
        assert code == 0
    else:
        assert (code, f"[{rule}]" in out) == (1, True)


@pytest.mark.parametrize("rule", [rule for rule in BREAKS if rule != "against-engine"])
def test_a_rule_that_is_ignored_on_the_command_line_is_told_of_a_file_that_keeps_it(rule, built, cli):
    code, out, _ = cli("verify", TINY, "--against", built(), "--weights", WEIGHTS, "--ignore", rule)
    what = {"layer": "layers and whether it is valid ONNX", "shape": "shapes", "weight": "weights"}
    what["surroundings"] = "what is around the network"
    assert code == 0
    assert out.endswith(f", {what[rule.removeprefix('against-')]} not compared\n")
    assert ("weights exactly those of" in out) == (rule != "against-weight")


def test_nothing_to_compare_is_refused(built, cli):
    every = "against-layer,against-shape,against-surroundings"
    code, out, err = cli("verify", TINY, "--against", built(), "--ignore", every)
    assert (code, out) == (2, "")
    assert err == "error: --against: all its rules are ignored\nhint: leave it away, or ignore fewer rules\n"


def test_a_setting_that_no_word_tells_is_shown(built, cli):
    found = changed(cli, built(), "norm={kind: batch, eps: 0.01}")
    assert found[0][1] == ": 'stem.norm' is batch norm, eps 1e-05, where the spec has 'stem.norm', batch norm, eps 0.01"
    counts = "363 parameters and 20,748 MACs"
    assert (
        found[1][1] == f": from the input on, 1 of the spec's 13 operations match; {counts} there, {counts} in the spec"
    )


def test_a_file_with_more_and_one_with_less_are_told_apart(built, cli, tmp_path):
    small, large = built(), tmp_path / "large.yaml"
    large.write_text(f"name: large\nextends: {TINY}\nstages: {{depths: [2]}}\n")
    code, out, _ = cli("verify", large, "--against", small, "--format", "json")
    assert code == 1
    first = json.loads(out)[0]
    assert (
        first["message"]
        == f"{small}: 'head.pool' is global average pool, where the spec has 'stages.0.1.conv1', 3x3, 4"
    )
    assert (first["file"], first["line"], first["column"]) == (str(large), 1, 7)


def test_another_size_of_image_is_one_finding_and_the_layers_are_compared_at_that_of_the_file(built, cli):
    found = changed(cli, built(), "input.size=16")
    assert found == [("against-shape", " takes 1 x 8 x 8, the spec 1 x 16 x 16")]
    code, out, _ = cli("verify", TINY, "--set", "input.size=16", "--set", "stages.depths=[2]", "--against", built())
    assert code == 1
    assert "[against-shape]" in out
    assert "[against-layer]" in out


def test_other_channels_and_other_outputs_are_found(built, cli):
    file = built()
    assert changed(cli, file, "input.channels=3") == [("against-shape", " takes 1 x 8 x 8, the spec 3 x 8 x 8")]
    rules = changed(cli, file, "head.classes=5")
    assert rules[0][1] == ": 'head.fc' is 3-d fc, where the spec has 'head.fc', 5-d fc"
    assert rules[-1] == ("against-shape", " outputs 3, the spec 5")


def test_maps_of_another_size_follow_from_that_of_the_image_and_other_classes_do_not(cli, built, tmp_path):
    found = changed(cli, built(), "input.size=16", "head.classes=5")
    rules = [message for rule, message in found if rule == "against-shape"]
    assert rules == [" takes 1 x 8 x 8, the spec 1 x 16 x 16", " outputs 3, the spec 5"]
    assert cli("build", TINY, "--set", "head=none", "-o", tmp_path / "maps")[0] == 0
    file = tmp_path / "maps" / "tiny.onnx"
    shape = ("against-shape", " takes 1 x 8 x 8, the spec 1 x 16 x 16")
    assert changed(cli, file, "head=none", "input.size=16") == [shape]


def test_an_operation_that_no_spec_has_is_a_difference_and_a_broken_file_is_refused(cli, tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    hand.write(path, hand.node("Clip", "x", hand.constant(0.0), hand.constant(6.0)))
    code, out, _ = cli("verify", TINY, "--against", path)
    assert code == 1
    assert f"{path}: node 0, Clip: Clip(x, least=0, most=6) is none of our activations [against-layer]" in out
    path.write_bytes(b"no model")
    code, out, err = cli("verify", TINY, "--against", path)
    assert (code, out) == (2, "")
    assert err.startswith(f"{path}: error: not an ONNX file, or damaged")


def test_options_that_make_no_sense_are_refused(cli, tmp_path):
    assert cli("verify", "--against", "n.onnx")[2] == (
        "error: --against: one spec is compared with a file\nhint: name the spec before it\n"
    )
    assert cli("verify", TINY, "--weights", WEIGHTS)[2] == (
        "error: --weights means nothing without --against or --evaluate\n"
    )
    code, _, err = cli("verify", TINY, "--against", tmp_path / "gone.onnx")
    assert (code, err) == (2, f"{tmp_path}/gone.onnx: error: cannot be read: No such file or directory\n")


@pytest.fixture
def engine(built):
    """An engine, which nothing here can open, beside the ONNX file and the manifest that it was built with."""
    return engine_beside(built())


HASHES = "by the hashes in tiny.manifest.json; not opened, which takes its GPU)"


def test_an_engine_is_held_by_its_manifest_and_the_model_that_it_was_built_from(engine, cli):
    code, out, _ = cli("verify", TINY, "--against", engine)
    model = engine.with_name("tiny.onnx")
    how = "(named as in the spec, batch norm kept, fp32), weights not compared"
    assert code == 0
    assert out == (
        f"ok     tiny: 0 claims, {engine} (its bytes and this spec {HASHES}, built from all 4 layers of {model} {how}\n"
    )
    code, out, _ = cli("verify", TINY, "--against", engine, "--weights", WEIGHTS)
    assert code == 0
    assert f"{engine} (its bytes, this spec and these weights {HASHES}" in out
    model.unlink()
    code, out, _ = cli("verify", TINY, "--against", engine)
    assert (code, out) == (
        0,
        f"ok     tiny: 0 claims, {engine} (its bytes and this spec {HASHES}, no ONNX file beside it to look at\n",
    )


@pytest.mark.parametrize("more", [None, "other.onnx"])
def test_an_engine_whose_manifest_names_no_one_model_is_held_by_its_hashes(more, engine, cli):
    manifest = engine.with_name("tiny.manifest.json")
    known = json.loads(manifest.read_text())
    digest = known["files"].pop("tiny.onnx")
    known["files"] |= {"tiny.onnx": digest, more: digest} if more else {}
    manifest.write_text(json.dumps(known))
    code, out, _ = cli("verify", TINY, "--against", engine)
    end = f"{engine} (its bytes and this spec {HASHES}, no ONNX file beside it to look at"
    assert (code, out) == (0, f"ok     tiny: 0 claims, {end}\n")


def test_an_engine_of_another_spec_or_with_other_bytes_is_found(engine, cli):
    code, out, _ = cli("verify", TINY, "--set", "head.classes=5", "--against", engine)
    assert code == 1
    assert f"{engine}: spec: it is of another 'tiny' than the spec: head.classes differs [against-engine]" in out
    engine.write_bytes(b"ftrt" + bytes(99))
    code, out, _ = cli("verify", TINY, "--against", engine)
    assert code == 1
    assert f"{engine}: bytes: SHA-256 is another [against-engine]" in out
    other = WEIGHTS.with_name("float16.safetensors")
    code, out, _ = cli("verify", TINY, "--against", engine, "--weights", other)
    assert f"{engine}: weights: of 'float32.safetensors', whose SHA-256 is another [against-engine]" in out


def test_an_engine_whose_model_is_of_another_network_is_found(engine, cli, built, tmp_path):
    manifest, model = engine.with_name("tiny.manifest.json"), engine.with_name("tiny.onnx")
    hand = Hand(shape=("N", 1, 8, 8))
    hand.write(model, hand.node("Relu", "x"))
    told = json.loads(manifest.read_text())
    told["files"]["tiny.onnx"] = digest_file(model)
    manifest.write_text(json.dumps(told))
    code, out, _ = cli("verify", TINY, "--against", engine)
    assert code == 1
    assert f"{model}: 'relu' is relu, where the spec has 'stem.conv', 3x3, 4 [against-layer]" in out
    hand = Hand(shape=("N", 1, 8, 8))
    hand.write(model, hand.node("NonZero", "x"))
    told["files"]["tiny.onnx"] = digest_file(model)
    manifest.write_text(json.dumps(told))
    assert "NonZero: it is none of our operations [against-layer]" in cli("verify", TINY, "--against", engine)[1]


def test_what_is_neither_a_model_nor_an_engine_is_refused(cli, tmp_path):
    path = tmp_path / "n.engine"
    path.write_bytes(b"nothing")
    code, _, err = cli("verify", TINY, "--against", path)
    assert (code, err) == (2, f"{path}: error: not known as an engine, and there is no n.manifest.json beside it\n")


def test_biases_of_zero_that_an_exporter_left_out_are_no_difference(built, cli):
    file = built("--fold-bn")
    model = onnx.load(file)
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    del node.input[2]
    onnx.save(model, file)
    code, out, _ = cli("verify", TINY, "--against", file)
    assert code == 0
    assert "(named as in the spec, batch norm folded, 1 bias left out as zero, fp32)" in out


def test_a_bias_that_the_spec_has_not_is_a_difference(built, cli):
    file = built("--fold-bn")
    kept = built().read_bytes()
    model = onnx.ModelProto.FromString(kept)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float32), "more"))
    next(node for node in model.graph.node if node.op_type == "Conv").input.append("more")
    onnx.save(model, file)
    found = changed(cli, file)
    assert found[0][1] == ": 'stem.conv' is 3x3, 4, bias 1, where the spec has 'stem.conv', 3x3, 4, bias 0"


def test_other_rules_do_without_what_reads_files(cli):
    assert cli("verify", TINY, "--select", "claim")[0] == 0


def test_outputs_in_another_order_are_found(cli, tmp_path):
    spec = tmp_path / "two.yaml"
    stages = "{depths: [1, 1], widths: [4, 4], strides: [1, 1]}"
    spec.write_text(f"name: two\nextends: {TINY}\nstages: {stages}\nhead: none\noutputs: [stage1, stage2]\n")
    assert cli("build", spec, "-o", tmp_path)[0] == 0
    file = tmp_path / "two.onnx"
    assert cli("verify", spec, "--against", file)[0] == 0
    model = onnx.load(file)
    first, second = model.graph.output
    del model.graph.output[:]
    model.graph.output.extend([second, first])
    onnx.save(model, file)
    code, out, _ = cli("verify", spec, "--against", file)
    assert code == 1
    assert f"{file}: all operations are there, but the outputs are others [against-layer]" in out


@pytest.mark.parametrize("folded", [False, True])
def test_a_linear_layer_as_a_convolution_is_no_difference(folded, tmp_path):
    graph, weights = network(TINY)
    if folded:
        graph, weights = fold_batch_norm(graph, weights)
    path = file(*linear_as_conv(graph, weights), tmp_path / "n.onnx")
    assert verify(TINY, against=path) == ()


# --- number by number -------------------------------------------------------------

LAYER = "stages.0.0.conv1.weight"


def changed_tensors(file, change):
    """The file with other tensors: `change` takes those of a layer's weight, by the end of their names."""
    model = onnx.load(file)
    held = {t.name.removeprefix(LAYER): t for t in model.graph.initializer if t.name.startswith(LAYER)}
    for end, array in change({end: numpy_helper.to_array(t).copy() for end, t in held.items()}).items():
        held[end].CopyFrom(numpy_helper.from_array(array, held[end].name))
    onnx.save(model, file)


def without_sign(arrays):
    """Codes from 0 to 255 that stand for the same numbers."""
    codes = (arrays[""].astype(np.int16) + 128).astype(np.uint8)
    return {"": codes, "_zero_point": (arrays["_zero_point"].astype(np.int16) + 128).astype(np.uint8)}


def one_code(arrays):
    """One code in the middle of its row made that of the row's largest number."""
    codes = arrays[""]
    away = np.abs(codes[0].astype(np.float32) - arrays["_zero_point"][0].astype(np.float32))
    codes[0][np.unravel_index(np.argmin(away), away.shape)] = codes[0][np.unravel_index(np.argmax(away), away.shape)]
    return {"": codes}


@pytest.mark.parametrize(("precision", "first"), [("int8", None), ("int8", without_sign), ("fp8", None)])
def test_one_code_of_eight_bits_is_found(precision, first, built, cli):
    file = built(
        "--precision", precision, "--calibration", "random", *(["--for", "cpu"] if precision == "int8" else [])
    )
    if first:
        changed_tensors(file, first)
    assert cli("verify", TINY, "--against", file, "--weights", WEIGHTS)[0] == 0
    changed_tensors(file, one_code)
    code, out, _ = cli("verify", TINY, "--against", file, "--weights", WEIGHTS)
    assert (code, f"'{LAYER}' is not that of {WEIGHTS}: number [0, " in out) == (1, True)


@pytest.mark.parametrize(("codes", "found"), [(0, 0), (1, 1), (-1, 1), (2, 1), (-2, 1), (3, 1)])
@pytest.mark.parametrize("first", [None, without_sign])
def test_a_code_may_not_be_one_off(codes, found, first, built, cli):
    """Though a file with seven bits may be as far from the weights: its steps are twice as long, which it tells."""

    def moved(arrays):
        away = np.abs(arrays[""][0].astype(np.float32) - arrays["_zero_point"][0].astype(np.float32))
        arrays[""][0][np.unravel_index(np.argmin(away), away.shape)] += np.array(codes).astype(arrays[""].dtype)
        return {"": arrays[""]}

    file = built("--precision", "int8", "--calibration", "random", "--for", "cpu")
    for change in filter(None, (first, moved)):
        changed_tensors(file, change)
    assert cli("verify", TINY, "--against", file, "--weights", WEIGHTS)[0] == found


@pytest.fixture
def held(cli, tmp_path):
    """Holds the file that weights are built to, with one tensor of it changed, against those weights."""

    def hold(of_weights, of_file, *options):
        weights, file = tmp_path / "w.safetensors", tmp_path / "tiny.onnx"
        state = load_file(WEIGHTS)
        state |= {name: change(state[name].copy()) for name, change in of_weights.items()}
        save_file(state, weights)
        assert cli("build", TINY, "-o", tmp_path, "--weights", weights, "--force", *options)[0] == 0
        model = onnx.load(file)
        for tensor in model.graph.initializer:
            if tensor.name in of_file:
                array = of_file[tensor.name](numpy_helper.to_array(tensor).copy())
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        onnx.save(model, file)
        return cli("verify", TINY, "--against", file, "--weights", weights)

    return hold


def at_first(value):
    def change(array):
        array.flat[0] = value
        return array

    return change


def but_first(factor):
    def change(array):
        array.flat[1:] *= array.dtype.type(factor)
        return array

    return change


@pytest.mark.parametrize("options", [(), ("--precision", "fp16")])
@pytest.mark.parametrize("name", ["stem.norm.running_var", "stem.norm.weight", LAYER, "head.fc.bias"])
def test_small_numbers_are_not_hidden_by_large_ones(held, name, options):
    huge = {name: at_first(30000.0)}
    assert held(huge, {}, *options)[0] == 0
    code, out, _ = held(huge, {name: but_first(1.01)}, *options)
    assert (code, f"'{name}' is not that of" in out) == (1, True)


def test_channels_that_folding_makes_small_are_not_hidden(held):
    small = {"stem.norm.weight": at_first(1e-6)}
    assert held(small, {}, "--fold-bn")[0] == 0
    code, out, _ = held(small, {"stem.conv.weight": at_first(1e-3)}, "--fold-bn")
    assert (code, "'stem.conv.weight' is not that of" in out) == (1, True)


@pytest.mark.parametrize("gamma", [1e-2, 1e-4, 1e-6, 1e-8, 0.0])
def test_filters_that_cannot_be_seen_beside_their_biases_are_no_difference(held, gamma):
    """Eight bits leave them out; those that can be seen are compared as ever."""
    small = {"stages.0.0.norm1.weight": at_first(gamma), "stages.0.0.norm1.bias": at_first(0.3)}
    eight = ("--precision", "int8", "--for", "cpu", "--calibration", "random")
    assert held(small, {}, *eight)[0] == 0
    code, out, _ = held(small, {LAYER: lambda codes: -codes}, *eight)
    assert (code, f"'{LAYER}' is not that of" in out) == (1, True)


def test_a_folded_bias_is_as_near_as_its_parts_are(held):
    """Of a mean of 1000 and a shift that undoes it little is left, and that is rounded as the thousand is."""
    parts = {"stem.norm.running_mean": at_first(1000.0), "stem.norm.bias": at_first(1000.0)}
    parts |= {"stem.norm.weight": at_first(1.0), "stem.norm.running_var": at_first(1.0)}
    assert held(parts, {"stem.conv.bias": lambda b: b + np.float32([1e-3, 0, 0, 0])}, "--fold-bn")[0] == 0
    assert held(parts, {"stem.conv.bias": lambda b: b + np.float32([0.1, 0, 0, 0])}, "--fold-bn")[0] == 1
    assert held(parts, {"stem.conv.bias": lambda b: b + np.float32([0, 1e-3, 0, 0])}, "--fold-bn")[0] == 1


@pytest.mark.filterwarnings("ignore:.*not finite", "ignore:.*variances below zero")
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_in_weights_is_no_number_of_a_file(value, built, cli, tmp_path):
    file, weights = built(), tmp_path / "w.safetensors"
    floats = {name: array for name, array in load_file(WEIGHTS).items() if array.dtype.kind == "f"}
    for name, array in floats.items():
        state = load_file(WEIGHTS)
        state[name] = at_first(value)(array.copy())
        save_file(state, weights)
        code, out, err = cli("verify", TINY, "--against", file, "--weights", weights)
        assert code in (1, 2), name
        assert "tiny" in (out + err)


KINDS = {
    "fp32": (), "folded": ("--fold-bn",), "fp16": ("--precision", "fp16"), "bf16": ("--precision", "bf16"),
    "int8": ("--precision", "int8", "--for", "cpu", "--calibration", "random"),
    "fp8": ("--precision", "fp8", "--calibration", "random"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "kind"), spread(itertools.product([np.inf, -np.inf, np.nan], KINDS), 4))
def test_what_is_not_finite_in_a_file_is_a_finding(value, kind, built, cli):
    file = built(*KINDS[kind])
    written = file.read_bytes()
    for index, tensor in enumerate(onnx.load(file).graph.initializer):
        array = numpy_helper.to_array(tensor)
        is_weight = tensor.name.endswith(("weight", "bias", "running_mean", "running_var"))
        if not is_weight or array.dtype.kind not in "fV" or array.dtype.itemsize < 2:
            continue
        model = onnx.load(file)
        put = numpy_helper.from_array(at_first(value)(array.copy()), tensor.name)
        model.graph.initializer[index].CopyFrom(put)
        onnx.save(model, file)
        code, out, err = cli("verify", TINY, "--against", file, "--weights", WEIGHTS)
        assert (code, f"'{tensor.name}' is not that of {WEIGHTS}: number [0" in out) == (1, True), (
            tensor.name,
            out,
            err,
        )
        file.write_bytes(written)


# --- what is said ----------------------------------------------------------------


def test_what_is_not_compared_is_said_in_every_format(built, cli, tmp_path):
    file = built()
    for form in ("json", "junit", "sarif", "github"):
        code, _, err = cli("verify", TINY, "--against", file, "--format", form)
        assert (code, "weights not compared" in err) == (0, True)


def test_a_fixed_batch_and_weights_that_can_be_replaced_are_said(built, cli):
    file = built("--batch", "2")
    model = onnx.load(file)
    tensor = model.graph.initializer[0]
    model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, 1, tensor.dims))
    onnx.save(model, file)
    code, out, _ = cli("verify", TINY, "--against", file)
    assert code == 0
    assert "for batches of 2 alone, 1 initializer among the inputs, for which a caller may give others)" in out


@pytest.mark.parametrize("given", ["float32", "float16", "float64"])
def test_other_numbers_than_single_precision_for_images_are_said(given, built, cli):
    file = built("--precision", "fp16")
    model = onnx.load(file)
    tensor = model.graph.input[0].type.tensor_type
    tensor.elem_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(given))
    onnx.save(model, file)
    code, out, _ = cli("verify", TINY, "--against", file)
    assert (code, f", images given as {given}" in out) == (0, given != "float32")


def test_how_far_out_an_activation_is_the_specs_is_said(cli, tmp_path):
    spec = tmp_path / "silu.yaml"
    spec.write_text(f"name: silu\nextends: {TINY}\nactivation: silu\n")
    assert cli("build", spec, "-o", tmp_path)[0] == 0
    file = tmp_path / "silu.onnx"
    assert "other ones beyond" not in cli("verify", spec, "--against", file)[1]
    model = onnx.load(file)
    place = next(i for i, node in enumerate(model.graph.node) if node.op_type == "Mul")
    x, y = model.graph.node[place].input[0], model.graph.node[place].output[0]
    del model.graph.node[place]
    nodes = [("Exp", [x], "e"), ("Mul", [x, "e"], "m"), ("Add", ["e", "one"], "a"), ("Div", ["m", "a"], y)]
    for op_type, inputs, output in reversed(nodes):
        model.graph.node.insert(place, onnx.helper.make_node(op_type, inputs, [output]))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1), "one"))
    onnx.save(model, file)
    code, out, _ = cli("verify", spec, "--against", file)
    assert (code, "activations as in the spec up to 85 and other ones beyond" in out) == (0, True)


@pytest.mark.parametrize("place", [1, *(pytest.param(place, marks=pytest.mark.long) for place in (0, 2))])
@pytest.mark.parametrize(
    ("precision", "most", "code"),
    [
        ("fp16", 65504.0, 0), ("fp16", np.inf, 0), ("fp16", 65472.0, 1), ("fp16", 60000.0, 1), ("fp16", 6.0, 1),
        ("fp32", 65504.0, 0), ("fp32", 1e30, 0), ("fp32", 65472.0, 1), ("fp32", 60000.0, 1), ("fp32", 6.0, 1),
    ],
)  # fmt: skip
def test_a_clip_in_a_file_is_told_by_whether_the_files_type_reaches_beyond(precision, most, code, place, built, cli):
    """What half precision cannot hold is cut off by the type itself; a file in float32 is another network there."""
    file = built("--precision", precision)
    model = onnx.load(file)
    node = [n for n in model.graph.node if n.op_type == "Relu"][place % 2]
    kind = np.float16 if precision == "fp16" else np.float32
    if place == 2:  # the activation itself as a Clip from zero
        node.op_type, limits = "Clip", {"least": kind(0), "most": kind(most)}
        node.input.extend(["least", "most"])
    else:
        name, index = node.output[0], list(model.graph.node).index(node)
        node.output[0], limits = "unclipped", {"most": kind(most)}
        model.graph.node.insert(index + 1, onnx.helper.make_node("Clip", ["unclipped", "", "most"], [name]))
    model.graph.initializer.extend(numpy_helper.from_array(number, name) for name, number in limits.items())
    clipped = file.with_name("clipped.onnx")
    onnx.save(model, clipped)
    found, out, _ = cli("verify", TINY, "--against", clipped)
    assert found == code
    beyond = f"activations as in the spec up to {most:.2g} and other ones beyond"
    assert (beyond in out) == (precision == "fp32" and not code)
    x = np.random.default_rng(0).standard_normal((4, *load(str(TINY)).spec.input.shape)).astype(np.float32)
    for size in (1, 1e3) if not code else ():  # ONNX Runtime is the witness, whose CPU sums half precision in float32
        one, other = (session(p).run(None, {"input": x * size})[0] for p in (file, clipped))
        assert np.abs(one).max() < 65504
        assert np.array_equal(one, other)


def test_a_file_that_the_checker_says_nothing_of_is_said_to_be_unchecked(built, cli, monkeypatch):
    def silent(path):
        raise NoAnswerError

    monkeypatch.setattr("resnet_gen.compare.against.model.find_fault", silent)
    code, out, _ = cli("verify", TINY, "--against", built(), "--weights", WEIGHTS)
    assert code == 0
    assert "whether it is valid ONNX not compared" in out


@pytest.mark.parametrize("domain", ["", "ai.onnx", "com.microsoft"])
def test_a_function_of_the_file_is_no_operator_of_its_name(domain, built, cli):
    file = built()
    model = onnx.load(file)
    body = [onnx.helper.make_node("Neg", ["a"], ["n"]), onnx.helper.make_node("Exp", ["n"], ["b"])]
    opsets = [onnx.helper.make_opsetid("", 17)]
    model.functions.append(onnx.helper.make_function(domain, "Relu", ["a"], ["b"], body, opsets))
    for node in model.graph.node:
        node.domain = domain if node.op_type == "Relu" else node.domain
    model.opset_import.extend([onnx.helper.make_opsetid(domain, 1)] if domain == "com.microsoft" else [])
    onnx.save(model, file)
    for command in (("verify", TINY, "--against", file), ("import", file)):
        code, out, err = cli(*command)
        assert code
        assert f"function '{domain or 'ai.onnx'}::Relu'" in out + err
    code, out, err = cli("diff", TINY, file)
    assert code
    assert f"function '{domain or 'ai.onnx'}::Relu'" in err or domain == "com.microsoft"


def test_a_file_that_is_no_valid_onnx_is_found(built, cli):
    file = built()
    model = onnx.load(file)
    model.graph.node[0].domain = "ai.onnx"  # the same domain by another name
    onnx.save(model, file)
    assert cli("verify", TINY, "--against", file)[0] == 0
    for node in model.graph.node:
        node.output[0] = node.output[0].replace("stem.act", "input.1")
        node.input[:] = [name.replace("stem.act", "input.1") for name in node.input]
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("input.1", onnx.TensorProto.INT64, ["N", 4, 8, 8]))
    onnx.save(model, file)
    code, out, _ = cli("verify", TINY, "--against", file)
    assert (code, f"{file}: no valid ONNX: " in out) == (1, True)


@pytest.mark.parametrize(
    ("factor", "code"), [(1, 0), (1.3, 0), (1 / 12, 0), (1 / 24, 1), (40, 0), (90, 1), (1e-3, 1), (1e4, 1)]
)
def test_ranges_of_activations_are_held_against_random_images(factor, code, built, cli):
    file = built("--precision", "int8", "--for", "cpu", "--calibration", "random")
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("stages.0.0.act1") and tensor.name.endswith(".scale"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), tensor.name))
    onnx.save(model, file)
    found, out, _ = cli("verify", TINY, "--against", file, "--weights", WEIGHTS)
    assert found == code
    assert ("the codes of 'stages.0.0.act1' cover" if code else "times what random images reach") in out
    assert "ranges of activations not compared" in cli("verify", TINY, "--against", file)[1]


@pytest.mark.parametrize(("zero", "code"), [(0, 0), (128, 0), (50, 1), (100, 1)])
def test_codes_below_zero_of_what_is_never_negative_are_found(zero, code, built, cli):
    file = built("--precision", "int8", "--for", "cpu", "--calibration", "random")
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("stages.0.0.act1") and tensor.name.endswith("zero_point"):
            tensor.CopyFrom(numpy_helper.from_array(np.uint8(zero), tensor.name))
    onnx.save(model, file)
    found, out, _ = cli("verify", TINY, "--against", file)
    assert (found, "'stages.0.0.act1', which is never below zero, cover" in out) == (code, bool(code))

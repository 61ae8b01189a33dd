"""What a file puts around its network is told apart from it: pixels before it, classes behind it, and nothing else."""

import math
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from onnx import TensorProto, helper

from resnet_gen.graph.matching import match
from resnet_gen.graph.surrounding_terms import Normalization, find_normalization, list_differences, name_output
from resnet_gen.graph.surroundings import NOTHING_AROUND, PixelInput, ServedOutput, Surroundings
from resnet_gen.onnx.reading import read
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import run
from tests.helpers.surroundings import MAP, MEAN, STD, VECTOR, Around, normalized, small_file

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "small.onnx"
    path.write_bytes(small_file())
    return read(path).graph


def per_channel(values, axis):
    return np.reshape(values, (3, 1, 1) if axis == 1 else (3,))


# --- any surroundings, spelled in any way ------------------------------------------


NUMBERS = st.floats(0.0625, 0.9375, width=32)
ONES = st.tuples(NUMBERS, NUMBERS, NUMBERS)


@settings(max_examples=25, deadline=None)
@given(
    dtype=st.sampled_from([UINT8, FLOAT]),
    layout=st.sampled_from(["NHWC", "NCHW"]),
    order=st.sampled_from(["none", "gather", "slice"]),
    spelling=st.sampled_from(["div sub div", "mul sub mul", "sub div", "mul add", "div"]),
    late=st.booleans(),
    turned_last=st.booleans(),
    mean=ONES,
    std=ONES,
)
def test_what_was_put_around_is_what_is_read(
    dtype, layout, order, spelling, late, turned_last, mean, std, plain, tmp_path_factory
):  # fmt: skip
    around = Around(dtype, layout)
    if dtype == UINT8:
        around.step("Cast", to=FLOAT)
    axis = 3 if layout == "NHWC" else 1
    if layout == "NHWC" and not late:
        around.step("Transpose", perm=[0, 3, 1, 2])
        axis = 1
    if not turned_last:
        turn(around, order, axis)
    normalize(around, spelling, np.float32(mean), np.float32(std), axis)
    if turned_last:
        turn(around, order, axis)
    if layout == "NHWC" and late:
        around.step("Transpose", perm=[0, 3, 1, 2])
    path = around.write(tmp_path_factory.mktemp("around") / "around.onnx")
    found = read(path)
    pixels = found.surroundings.input
    assert match(plain, found.graph).same
    assert (pixels.dtype, pixels.layout) == ("uint8" if dtype == UINT8 else "float32", layout)
    assert pixels.order == ("RGB" if order == "none" else "BGR")
    if spelling == "div":
        assert (pixels.scale, pixels.mean, pixels.std) == (255.0, (), ())
        return
    if turned_last and order != "none":
        mean, std = mean[::-1], std[::-1]
    if spelling == "div sub div":
        assert np.float32(pixels.mean).tolist() == np.float32(mean).tolist()
        assert np.float32(pixels.std).tolist() == np.float32(std).tolist()
    assert_computes(path, found, pixels)


def turn(around, order, axis):
    if order == "gather":
        around.step("Gather", around.constant([2, 1, 0], np.int64), axis=axis)
    if order == "slice":
        numbers = [[-1], [-4], [axis - 4], [-1]]
        around.step("Slice", *(around.constant(each, np.int64) for each in numbers))


def normalize(around, spelling, mean, std, axis):
    mean, std = per_channel(mean, axis), per_channel(std, axis)
    steps = {
        "div sub div": [("Div", 255.0), ("Sub", mean), ("Div", std)],
        "mul sub mul": [("Mul", np.float32(1 / 255)), ("Sub", mean), ("Mul", 1 / std)],
        "sub div": [("Sub", mean * 255), ("Div", std * 255)],
        "mul add": [("Mul", 1 / (255 * std)), ("Add", -mean / std)],
        "div": [("Div", 255.0)],
    }[spelling]
    for place, (op, values) in enumerate(steps):
        around.step(op, around.constant(values), first=op != "Mul" or place > 0)


def assert_computes(path, found, pixels):
    """What is said of pixels, in float64, and then the network alone, is what the file computes."""
    shape = (2, 8, 8, 3) if pixels.layout == "NHWC" else (2, 3, 8, 8)
    raw = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    raw = raw if pixels.dtype == "uint8" else (raw / 255 * pixels.scale).astype(np.float32)
    x = raw.transpose(0, 3, 1, 2) if pixels.layout == "NHWC" else raw
    x = x[:, ::-1] if pixels.order == "BGR" else x
    normal = find_normalization(pixels, 3)
    scale = 255 if pixels.dtype == "uint8" else pixels.scale
    mean, std = (np.reshape(each, (3, 1, 1)) for each in normal)
    wanted = run(small_file(), ((x.astype(np.float64) / scale - mean) / std).astype(np.float32))
    assert np.abs(run(path.read_bytes(), raw) - wanted).max() <= 2e-5 * np.abs(wanted).max()


# --- the numbers -------------------------------------------------------------------


def test_mean_and_deviation_are_those_that_somebody_wrote(tmp_path):
    found = read(normalized(tmp_path / "m.onnx")).surroundings.input
    assert found == PixelInput("uint8", "NHWC", "RGB", 255.0, MEAN, STD)


def test_folded_numbers_are_recovered_to_what_was_folded(tmp_path):
    mean, std = np.float64(MEAN), np.float64(STD)
    around = Around(layout="NCHW").step("Cast", to=FLOAT)
    around.step("Mul", around.constant(per_channel(1 / (255 * std), 1)))
    around.step("Add", around.constant(per_channel(-mean / std, 1)))
    found = read(around.write(tmp_path / "m.onnx")).surroundings.input
    assert (found.mean, found.std) == (MEAN, STD)


def test_means_of_pixels_of_0_to_255_are_told_from_those_of_values_up_to_1(tmp_path):
    around = Around(FLOAT, "NCHW")
    around.step("Sub", around.constant(per_channel([103.53, 116.28, 123.675], 1)))
    found = read(around.write(tmp_path / "m.onnx")).surroundings.input
    assert found.scale == 255
    assert [round(255 * mean, 3) for mean in found.mean] == [103.53, 116.28, 123.675]
    assert found.std == (pytest.approx(1 / 255),) * 3


def test_pixels_as_eight_bit_codes_are_a_normalization_too(tmp_path):
    around = Around(layout="NCHW")
    scale, zero = around.constant(0.018), around.constant(114, np.uint8)
    found = read(around.step("DequantizeLinear", scale, zero).write(tmp_path / "m.onnx"))
    assert found.surroundings.input.mean == (pytest.approx(114 / 255),) * 3
    assert found.surroundings.input.std == (pytest.approx(1 / (255 * 0.018)),) * 3
    assert_computes(tmp_path / "m.onnx", found, found.surroundings.input)


def test_constants_of_nodes_are_read(tmp_path):
    around = Around(layout="NCHW").step("Cast", to=FLOAT).step("Div", around_constant := "level")
    around.before.insert(0, helper.make_node("Constant", [], [around_constant], value_float=255.0))
    mean, axes = around.constant(MEAN), around.constant([1, 2], np.int64)
    around.before.insert(0, helper.make_node("Unsqueeze", [mean, axes], ["mean"]))
    found = read(around.step("Sub", "mean").write(tmp_path / "m.onnx")).surroundings.input
    assert (found.scale, found.mean, found.std) == (255, MEAN, (1.0, 1.0, 1.0))


def test_constants_that_nodes_compute_are_read(tmp_path):
    """Exporters leave the arithmetic of a mean and a deviation in the graph."""
    around = Around(FLOAT, "NCHW")
    mean, std = (around.constant(np.reshape(each, (1, 3, 1, 1))) for each in (MEAN, STD))
    around.before += [
        helper.make_node("Reciprocal", [std], ["factor"]),
        helper.make_node("Neg", [mean], ["less"]),
        helper.make_node("Div", ["less", std], ["shift"]),
    ]
    found = read(around.step("Mul", "factor").step("Add", "shift").write(tmp_path / "m.onnx"))
    assert (found.surroundings.input.mean, found.surroundings.input.std) == (MEAN, STD)
    assert_computes(tmp_path / "m.onnx", found, found.surroundings.input)


def test_constants_that_grow_without_end_are_none(tmp_path):
    around = Around(FLOAT, "NCHW")
    last = around.constant(np.ones((1, 3, 1, 1)))
    for number in range(40):
        around.before.append(helper.make_node("Concat", [last] * 40, [f"longer{number}"], axis=2))
        last = f"longer{number}"
    with pytest.raises(Refused):
        read(around.step("Sub", last).write(tmp_path / "m.onnx"))


def test_numbers_in_half_precision_are_those_that_were_rounded(tmp_path):
    around = Around(layout="NCHW").step("Cast", to=TensorProto.FLOAT16)
    around.step("Div", around.constant(255, np.float16))
    for op, values in (("Sub", MEAN), ("Div", STD)):
        around.step(op, around.constant(per_channel(values, 1), np.float16))
    found = find_normalization(read(around.step("Cast", to=FLOAT).write(tmp_path / "m.onnx")).surroundings.input, 3)
    assert found.is_close(Normalization(MEAN, STD))
    for wrong in (0.4848, 0.4854, 0.5):
        assert not found.is_close(Normalization((wrong, *MEAN[1:]), STD))
    assert not found.is_close(Normalization(MEAN[::-1], STD[::-1]))


def test_a_number_that_a_half_holds_is_no_other_number():
    assert not Normalization((0.5,), (0.25,)).is_close(Normalization((0.5001,), (0.25,)))


# --- who reads pixels ------------------------------------------------------------------


def ask_first(around):
    around.before.insert(0, helper.make_node("Shape", [around.last], ["batch"], start=0, end=1))


def ask_all(around):
    around.before.insert(0, helper.make_node("Shape", [around.last], ["sizes"]))
    around.before.insert(1, helper.make_node("Gather", ["sizes", around.constant([0], np.int64)], ["batch"], axis=0))


def ask_part(around):
    numbers = (around.constant([n], np.int64) for n in (0, 1, 0))
    around.before.insert(0, helper.make_node("Shape", [around.last], ["sizes"]))
    around.before.insert(1, helper.make_node("Slice", ["sizes", *numbers], ["batch"]))


def use_batch(around):
    """The classes' scores in the dimensions that they have, of which the first is worked out."""
    around.behind.append(helper.make_node("Concat", ["batch", around.constant([5], np.int64)], ["dimensions"], axis=0))
    around.output("Reshape", "logits", "dimensions")


@pytest.mark.parametrize("ask", [ask_first, ask_all, ask_part])
def test_whoever_asks_for_the_batch_reads_no_pixels(ask, plain, tmp_path):
    around = Around().step("Transpose", perm=[0, 3, 1, 2]).step("Cast", to=FLOAT).step("Div", "level")
    around.before.insert(0, helper.make_node("Constant", [], ["level"], value_float=255.0))
    around.model.opset_import[0].version = 15
    around.last, last = "pixels", around.last
    ask(around)
    around.last = last
    use_batch(around)
    found = read(around.write(tmp_path / "m.onnx"))
    assert match(plain, found.graph).same
    assert found.surroundings.input == PixelInput("uint8", "NHWC", "RGB", 255.0)


def test_whoever_asks_for_another_side_is_left_alone(tmp_path):
    around = Around().step("Transpose", perm=[0, 3, 1, 2]).step("Cast", to=FLOAT)
    around.before.insert(0, helper.make_node("Shape", ["pixels"], ["sizes"]))
    around.before.insert(1, helper.make_node("Gather", ["sizes", around.constant([3], np.int64)], ["batch"], axis=0))
    use_batch(around)
    with pytest.raises(Refused, match="floating-point"):
        read(around.write(tmp_path / "m.onnx"))


def test_what_no_output_needs_reads_no_pixels(plain, tmp_path):
    around = Around().step("Transpose", perm=[0, 3, 1, 2]).step("Cast", to=FLOAT)
    around.behind.append(helper.make_node("Cast", ["pixels"], ["unread"], to=TensorProto.INT32))
    found = read(around.write(tmp_path / "m.onnx"))
    assert match(plain, found.graph).same
    assert found.unread == 1


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_channels_may_be_chosen_as_the_first_dimension(layout, plain, tmp_path):
    around = Around(FLOAT, layout).step("Transpose", perm=[3, 0, 1, 2] if layout == "NHWC" else [1, 0, 2, 3])
    around.step("GatherND", around.constant([[2], [1], [0]], np.int64)).step("Transpose", perm=[1, 0, 2, 3])
    around.step("Sub", around.constant(per_channel(MEAN, 1)))
    found = read(around.write(tmp_path / "m.onnx"))
    assert match(plain, found.graph).same
    assert found.surroundings.input == PixelInput("float32", layout, "BGR", 1.0, MEAN, (1.0,) * 3)
    assert_computes(tmp_path / "m.onnx", found, found.surroundings.input)


# --- what is no surroundings ---------------------------------------------------------


def test_a_plain_file_has_nothing_around_it(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(small_file())
    assert read(path).surroundings == NOTHING_AROUND


def test_a_softmax_alone_stays_in_the_network(tmp_path):
    around = Around(FLOAT, "NCHW")
    around.inner, around.graph.input[0].name = "", "input"
    around.output("Softmax", "logits", axis=1)
    found = read(around.write(tmp_path / "m.onnx"))
    assert found.surroundings == NOTHING_AROUND
    assert type(found.graph.nodes[-1].op).__name__ == "Softmax"


UNEXPLAINED = {
    "a mean for each pixel": lambda a: a.step("Cast", to=FLOAT).step("Sub", a.constant(np.ones((3, 8, 8)))),
    "colours turned to negative": lambda a: a.step("Cast", to=FLOAT).step("Mul", a.constant(-1.0)),
    "a deviation of zero": lambda a: a.step("Cast", to=FLOAT).step("Div", a.constant(0.0)),
    "a factor of almost nothing": lambda a: a.step("Cast", to=FLOAT).step("Mul", a.constant(1e-45)),
    "a number over pixels": lambda a: a.step("Cast", to=FLOAT).step("Div", a.constant(1.0), first=False),
    "channels in a third order": lambda a: a.step("Gather", a.constant([1, 0, 2], np.int64), axis=1).step(
        "Cast", to=FLOAT
    ),
    "rows and columns exchanged": lambda a: a.step("Transpose", perm=[0, 1, 3, 2]).step("Cast", to=FLOAT),
    "images in another order": lambda a: a.step("GatherND", a.constant([[0], [0], [0]], np.int64)).step(
        "Cast", to=FLOAT
    ),
    "rows turned around": lambda a: a.step("Cast", to=FLOAT).step(
        "Slice", *(a.constant(n, np.int64) for n in ([-1], [-9], [2], [-1]))
    ),
    "infinity": lambda a: a.step("Cast", to=FLOAT).step("Add", a.constant(math.inf)),
    "a function": lambda a: a.step("Cast", to=FLOAT).step("Sqrt"),
    "integers": lambda a: a.step("Add", a.constant(1, np.uint8)).step("Cast", to=FLOAT),
}


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_what_is_not_explained_completely_is_not_taken_off(name, tmp_path):
    path = UNEXPLAINED[name](Around(layout="NCHW")).write(tmp_path / "m.onnx")
    with pytest.raises(Refused, match=r"input 'pixels': no floating-point numbers|node"):
        read(path)


def test_the_first_step_that_is_none_is_named(tmp_path):
    around = UNEXPLAINED["rows and columns exchanged"](Around(layout="NHWC").step("Transpose", perm=[0, 3, 1, 2]))
    with pytest.raises(Refused, match=r"hint: node 3 'stem\.conv', Conv, is no step from pixels that is seen through"):
        read(around.write(tmp_path / "m.onnx"))


def test_nodes_in_another_order_are_refused_for_that(tmp_path):
    path = normalized(tmp_path / "m.onnx")
    model = onnx.load(path)
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    with pytest.raises(Refused, match="made behind it"):
        read(path)


def test_pixels_that_the_network_reads_as_well_are_not_taken_off(tmp_path):
    around = Around(FLOAT, "NCHW")
    around.step("Sub", around.constant(0.5))
    around.output("Conv", "pixels", around.constant(np.ones((1, 3, 1, 1))))
    with pytest.raises(Refused, match="Sub"):
        read(around.write(tmp_path / "m.onnx", keep=True))


def test_a_refusal_counts_nodes_as_the_file_does(tmp_path):
    around = Around(layout="NCHW").step("Cast", to=FLOAT).step("Div", around_scale := "scale")
    around.before.insert(0, helper.make_node("Constant", [], [around_scale], value_float=255.0))
    around.output("Sin", "logits")
    with pytest.raises(Refused) as refused:
        read(around.write(tmp_path / "m.onnx"))
    index = len(onnx.load(tmp_path / "m.onnx").graph.node) - 1
    assert f"node {index}, Sin" in str(refused.value)


# --- outputs -------------------------------------------------------------------------


def best(around, scores, k=2, **more):
    return around.output("TopK", scores, around.constant([k], np.int64), results=2, axis=1, **more)


def test_probabilities_and_the_best_classes_are_told_apart(plain, tmp_path):
    around = Around(FLOAT, "NCHW")
    around.graph.input[0].name = around.inner
    (probabilities,) = around.output("Softmax", "logits", axis=-1)
    values, indices = best(around, probabilities)
    found = read(around.write(tmp_path / "m.onnx", keep=True))
    assert match(plain, found.graph).same
    assert found.surroundings.outputs == (
        ServedOutput("logits", "logits", ("logits",)),
        ServedOutput("probabilities", "logits", (probabilities,)),
        ServedOutput("top_k", "logits", (values, indices), 2),
    )


def test_indices_alone_and_in_another_type_are_the_best_classes_of_logits(plain, tmp_path):
    around = Around(FLOAT, "NCHW")
    around.graph.input[0].name = around.inner
    (index,) = around.output("ArgMax", "logits", axis=1, shown=False)
    (short,) = around.output("Cast", index, to=TensorProto.INT32)
    found = read(around.write(tmp_path / "m.onnx"))
    assert match(plain, found.graph).same
    assert found.surroundings.outputs == (ServedOutput("best_indices", "logits", (short,), 1, raw=True),)


LENGTHS = {
    "LpNormalization": lambda a: a.output("LpNormalization", VECTOR, axis=1, p=2),
    "ReduceL2": lambda a: divide(a, length(a)),
    "a length of at least": lambda a: divide(
        a,
        a.output(
            "Max", *a.output("ReduceL2", VECTOR, axes=[1], keepdims=1, shown=False), a.constant(1e-12), shown=False
        ),
    ),
}


def test_scores_of_the_best_classes_alone_are_not_these(plain, tmp_path):
    around = Around(FLOAT, "NCHW")
    around.graph.input[0].name = around.inner
    values, _ = best(around, "logits")
    around.outputs = [values]
    found = read(around.write(tmp_path / "m.onnx"))
    assert match(plain, found.graph).same
    assert found.surroundings.outputs == (ServedOutput("best_scores", "logits", (values,), 2, raw=True),)


@pytest.mark.parametrize("softmax", [True, False])
def test_the_greatest_score_and_its_class_may_be_two_operators(softmax, plain, tmp_path):
    around = Around(FLOAT, "NCHW")
    around.graph.input[0].name = around.inner
    scores = around.output("Softmax", "logits", axis=1, shown=False)[0] if softmax else "logits"
    (score,) = around.output("ReduceMax", scores, axes=[1], keepdims=0)
    (number,) = around.output("ArgMax", scores, axis=1, keepdims=0)
    found = read(around.write(tmp_path / "m.onnx"))
    assert match(plain, found.graph).same
    assert found.surroundings.outputs == (
        ServedOutput("best_scores", "logits", (score,), 1, raw=not softmax),
        ServedOutput("best_indices", "logits", (number,), 1, raw=not softmax),
    )


def test_so_many_steps_from_pixels_are_seen_through_and_no_more(tmp_path):
    for number in (23, 24):
        around = Around(layout="NHWC").step("Cast", to=FLOAT)
        for place in range(number - 2):
            around.step("Mul", around.constant(2.0 if place % 2 else 0.5))
        path = around.step("Transpose", perm=[0, 3, 1, 2]).write(tmp_path / f"{number}.onnx")
        if number == 23:
            assert read(path).surroundings.input.layout == "NHWC"
        else:
            with pytest.raises(Refused, match="no floating-point numbers"):
                read(path)


def rounded(around, name, zeros=(0, 0), scales=(1 / 255, 1 / 255), dtype=np.uint8, shown=False):
    """A tensor behind codes of eight bits, as quantizers of whole files put them."""
    scale, zero = around.constant(scales[0]), around.constant(zeros[0], dtype)
    (codes,) = around.output("QuantizeLinear", name, scale, zero, shown=False)
    back = (around.constant(scales[1]), around.constant(zeros[1], dtype))
    return around.output("DequantizeLinear", codes, *back, shown=shown)[0]


def test_outputs_that_a_quantizer_rounds_are_named_with_their_range(plain, tmp_path):
    around = Around(FLOAT, "NCHW")
    around.graph.input[0].name = around.inner
    (softmax,) = around.output("Softmax", "logits", axis=1, shown=False)
    values, indices = around.output("TopK", rounded(around, softmax), around.constant([2], np.int64), results=2)
    around.outputs = [rounded(around, values, scales=(1 / 510, 1 / 510), zeros=(-128, -128), dtype=np.int8), indices]
    found = read(around.write(tmp_path / "m.onnx"))
    assert match(plain, found.graph).same
    (output,) = found.surroundings.outputs
    assert output == ServedOutput("top_k", "logits", tuple(around.outputs), 2, rounding=output.rounding)
    assert output.rounding == pytest.approx((0, 0.5))
    assert name_output(output) == "the best 2 classes, rounded to eight bits from 0 to 0.5"
    exact = replace(output, rounding=None)
    (difference,) = list_differences(*(Surroundings(None, (each,)) for each in (output, exact)))
    assert (difference.key, difference.after) == ("outputs", "the best 2 classes")


@pytest.mark.parametrize("other", [{"scales": (1 / 255, 1 / 254)}, {"zeros": (0, 1)}], ids=str)
def test_codes_that_are_read_by_another_scale_are_no_rounding(other, tmp_path):
    around = Around(FLOAT, "NCHW")
    around.graph.input[0].name = around.inner
    (softmax,) = around.output("Softmax", "logits", axis=1, shown=False)
    around.output("TopK", rounded(around, softmax, **other), around.constant([2], np.int64), results=2)
    with pytest.raises(Refused):
        read(around.write(tmp_path / "m.onnx"))


def test_what_is_rounded_behind_a_layer_is_the_networks_own(tmp_path):
    around = Around(FLOAT, "NCHW")
    around.graph.input[0].name = around.inner
    scores = rounded(around, "logits")
    around.output("TopK", scores, around.constant([2], np.int64), results=2)
    found = read(around.write(tmp_path / "m.onnx"))
    assert [(each.source, each.rounding) for each in found.surroundings.outputs] == [(scores, None)]


def length(around):
    return around.output("ReduceL2", VECTOR, axes=[1], keepdims=1, shown=False)


def divide(around, by):
    return around.output("Div", VECTOR, *by)


@pytest.mark.parametrize("name", LENGTHS)
def test_a_vector_of_length_one_is_an_embedding(name, plain, tmp_path):
    around = Around(FLOAT, "NCHW")
    around.graph.input[0].name = around.inner
    (unit,) = LENGTHS[name](around)
    found = read(around.write(tmp_path / "m.onnx", keep=True))
    assert [node.op for node in found.graph.nodes] == [node.op for node in plain.nodes]
    assert found.surroundings.outputs[1] == ServedOutput("embedding", VECTOR, (unit,), normalized=True)


def gather(around, scores, indices, axis=1):
    return around.output("GatherElements", scores, indices, axis=axis)


@pytest.mark.parametrize("raw", [True, False])
def test_scores_of_the_best_classes_may_be_gathered(raw, plain, tmp_path):
    around = Around(FLOAT, "NCHW")
    around.graph.input[0].name = around.inner
    _, indices = best(around, "logits")
    around.outputs.pop(0)
    scores = "logits" if raw else around.output("Softmax", "logits", axis=1, shown=False)[0]
    (values,) = gather(around, scores, indices)
    found = read(around.write(tmp_path / "m.onnx"))
    assert match(plain, found.graph).same
    assert found.surroundings.outputs == (ServedOutput("top_k", "logits", (values, indices), 2, raw=raw),)


def scores_of_others(around):
    (shifted,) = around.output("Softmax", VECTOR, axis=1, shown=False)
    return gather(around, shifted, best(around, "logits")[1])


OTHERS = {
    "scores of something else": scores_of_others,
    "scores along the batch": lambda a: gather(a, "logits", best(a, "logits")[1], axis=0),
    "the worst classes": lambda a: best(a, "logits", largest=0),
    "probabilities as integers": lambda a: a.output(
        "Cast", *a.output("Softmax", "logits", axis=1, shown=False), to=TensorProto.INT32
    ),
    "classes of scores as integers": lambda a: a.output(
        "ArgMax", *a.output("Cast", "logits", to=TensorProto.INT64, shown=False), axis=1
    ),
    "the greatest score of the batch": lambda a: a.output("ReduceMax", "logits", axes=[0], keepdims=0),
    "the greatest score of all": lambda a: a.output("ReduceMax", "logits", keepdims=0),
    "best classes along the batch": lambda a: a.output("ArgMax", "logits", axis=0),
    "a sum of probabilities": lambda a: a.output(
        "ReduceSum", *a.output("Softmax", "logits", axis=1, shown=False), a.constant([1], np.int64)
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_ends_are_not_taken_off(name, tmp_path):
    around = Around(FLOAT, "NCHW")
    around.graph.input[0].name = around.inner
    OTHERS[name](around)
    with pytest.raises(Refused):
        read(around.write(tmp_path / "m.onnx"))


def test_a_softmax_of_a_map_is_none_of_scores(tmp_path):
    around = Around(layout="NCHW").step("Cast", to=FLOAT)
    around.output("Softmax", MAP, axis=1)
    with pytest.raises(Refused, match="input 'pixels'"):
        read(around.write(tmp_path / "m.onnx"))

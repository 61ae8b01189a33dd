"""`verify --against` and files in eight bits whose codes and biases were moved on purpose, as far as one may be.

What rounding and calibration make differs from the weights by as much, but not in every number the same way.
"""

import itertools

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from safetensors.numpy import save_file

from resnet_gen import emit_onnx
from resnet_gen.compare.against.biases import BiasAllowance, allow_for_bias
from resnet_gen.compare.against.codes import count_steps_apart
from resnet_gen.compare.against.model import match_file, read_model
from resnet_gen.compare.against.weight_values import _allow_by_type
from resnet_gen.infer.checkpoints.spec_weights import weights_from
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.ops import Conv, Linear
from resnet_gen.ops.precision import Calibration
from resnet_gen.weights import base
from tests.accuracy.digits import SPEC, write_calibration
from tests.compare.test_against_biases import HOW, held
from tests.helpers.against_files import DIGITS
from tests.helpers.onnx_runs import difference, session
from tests.helpers.varied import spread
from tests.quantization.test_small_filters import NETWORKS, spec, weights

SMALL = ", small filters"
ROUNDED, CORRECTED = 0.995 * 0.51 / 63, 0.9
"""What codes are moved by at most, over the largest of their row, and biases, over what any may be corrected by."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A network in eight bits, by its name and how it is built: its spec, weights, images and file."""
    folder, known = tmp_path_factory.mktemp("moved"), {}

    def make(name, how):
        if (name, how) not in known:
            place = folder / f"{name}-{how}"
            place.mkdir()
            loaded, numbers, images = _network(name, place)
            options = {"weights": numbers, "calibration": Calibration(str(images)), "compare": False, **HOW[how]}
            known[name, how] = loaded, numbers, images, emit_onnx(loaded, place / "8.onnx", **options)
        return known[name, how]

    return make


def _network(name, folder):
    if name == "digits":
        return load(SPEC), DIGITS, write_calibration(folder / "images.npz")
    name, small, _ = name.partition(SMALL)
    side = spec(name).spec.input.size[0]
    images = np.random.default_rng(1).normal(0, 1, (16, 3, side, side)).astype(np.float32)
    np.savez(folder / "images.npz", images=images)
    save_file(weights(name, [0.01 if small else 0.5], 1), folder / "w.safetensors")
    return spec(name), folder / "w.safetensors", folder / "images.npz"


def up(exact, size):
    return np.floor(exact + size)


def down(exact, size):
    return np.ceil(exact - size)


def away_from_zero(exact, size):
    return np.sign(exact) * np.floor(np.abs(exact) + size)


def one_of_each_row(exact, size):
    """The other code that it is between, of the number that is nearest to the middle between two."""
    near = np.rint(exact)
    left = (exact - near).reshape(len(near), -1)
    chosen = np.abs(left) == np.abs(left).max(axis=1, keepdims=True)
    return near + np.where(chosen, np.sign(left), 0).reshape(near.shape)


def other_signs(size):
    return np.where(np.arange(size) % 2, 1, -1)


def chance(size):
    return np.random.default_rng(size).choice([-1, 1], size)


CODES = (up, down, away_from_zero, one_of_each_row)
SIGNS = (np.ones, other_signs, chance)


def moved(made_file, codes=None, signs=None, part=CORRECTED):
    """The file with its codes rounded otherwise, and then its biases at a part of what calibration may correct."""
    loaded, numbers, _, file = made_file
    path = file.with_name("moved.onnx")
    path.write_bytes(file.read_bytes())
    for change, how in ((_codes, codes), (_biases, signs and (lambda size: part * signs(size)))):
        if how:
            _changed(path, loaded, numbers, change, how)
    return path


def _changed(path, loaded, numbers, change, how):
    graph, file = lower(loaded), read_model(path)
    found = match_file(graph, weights_from(numbers, loaded, graph), file)
    ours, theirs = ({node.name: node for node in g.nodes} for g in (found.variant.graph, file.graph))
    model = onnx.load(path)
    tensors = {t.name: t for t in model.graph.initializer}
    for a, b in found.match.pairs:
        if isinstance(ours[a.name].op, (Conv, Linear)) and f"{b.name}.weight_scale" in tensors:
            change(tensors, found.variant, ours[a.name], theirs[b.name], file, how)
    onnx.save(model, path)


def _codes(tensors, variant, ours, theirs, file, rounding):
    weight = tensors[f"{theirs.name}.weight"]
    exact = variant.weights.rows(ours.weight_name("weight"), 0, ours.shape[0]).astype(np.float64)
    around = (-1, *[1] * (exact.ndim - 1))
    steps = file.weights.steps(weight.name, 0, len(exact)).astype(np.float64).reshape(around)
    largest = np.abs(exact).reshape(len(exact), -1).max(axis=1).reshape(around)
    found = np.clip(rounding(exact / steps, ROUNDED * largest / steps), -127, 127)
    weight.CopyFrom(numpy_helper.from_array(found.astype(np.int8), weight.name))


def _biases(tensors, variant, ours, theirs, file, parts):
    bias = tensors.get(f"{theirs.name}.bias")
    if bias is None:
        return
    exact = variant.weights.rows(ours.weight_name("bias"), 0, ours.shape[0]).astype(np.float64)
    found = exact + parts(len(exact)) * allow_for_bias(variant, ours, theirs, file).correction
    steps = file.weights.steps(bias.name, 0, len(exact))
    kept = numpy_helper.to_array(bias).dtype
    found = (found if steps is None else np.rint(found / steps)).astype(kept)
    bias.CopyFrom(numpy_helper.from_array(found, bias.name))


EVERY = ("digits", *NETWORKS)
INTEGERS = ("cpu", "cpu, rest fp16", "tensorrt", "tensorrt, rest fp16")


@pytest.mark.parametrize(("name", "how", "codes"), spread(itertools.product(EVERY, INTEGERS, CODES), 12))
def test_codes_that_are_not_the_nearest_are_found(made, name, how, codes):
    loaded, numbers, _, file = made(name, how)
    assert held(loaded, numbers, file).weights == ()
    found = held(loaded, numbers, moved(made(name, how), codes)).weights
    assert any(".weight' is not that of" in message for message in found)
    assert any("steps apart, and rounding to the nearest is half a one" in message for message in found)


def other_of_the_largest(exact, size):
    near = np.rint(exact)
    left = exact - near
    large = (np.abs(exact) > 105) & (np.abs(exact) < 126) & (np.abs(left) > 0.1)
    return near + np.where(large, np.sign(left), 0)


def test_only_what_is_stored_in_fewer_digits_has_room_for_their_rounding(made):
    """In bfloat16 the largest numbers of a row were as good as half a step off."""
    loaded, numbers, _, file = made("digits", "tensorrt")
    found = held(loaded, numbers, moved((loaded, numbers, None, file), other_of_the_largest)).weights
    assert any("steps apart" in message for message in found)


def _cut(tensors, variant, ours, theirs, file, part):
    """Small filters by a scale that reaches a part of their numbers; what is beyond has the outermost code."""
    weight, scale = (tensors[f"{theirs.name}.{name}"] for name in ("weight", "weight_scale"))
    exact = variant.weights.rows(ours.weight_name("weight"), 0, ours.shape[0]).astype(np.float64)
    rows = np.abs(exact).reshape(len(exact), -1).max(axis=1)
    steps = np.where(rows < 0.03 * rows.max(), part, 1) * file.weights.steps(weight.name, 0, len(exact))
    codes = np.clip(np.rint(exact / steps.reshape(-1, *[1] * (exact.ndim - 1))), -127, 127)
    weight.CopyFrom(numpy_helper.from_array(codes.astype(np.int8), weight.name))
    scale.CopyFrom(numpy_helper.from_array(steps.astype(np.float32), scale.name))


@pytest.mark.parametrize("name", ["basic", "dense head"])
def test_a_small_filter_that_is_cut_off_is_found_beside_large_ones(made, name):
    """Its own numbers tell how far it may be, not those of the whole layer."""
    loaded, numbers, _, file = made(name + SMALL, "tensorrt")
    assert held(loaded, numbers, file).weights == ()
    path = file.with_name("moved.onnx")
    path.write_bytes(file.read_bytes())
    _changed(path, loaded, numbers, _cut, 1)
    assert held(loaded, numbers, path).weights == ()
    _changed(path, loaded, numbers, _cut, 0.75)
    assert any(".weight' is not that of" in message for message in held(loaded, numbers, path).weights)


@pytest.mark.parametrize("how", ["cpu", "tensorrt, rest fp16"])
def test_what_is_found_is_the_same_however_many_rows_are_read_at_once(made, how, monkeypatch):
    loaded, numbers, _, file = made("basic", how)
    at_once = held(loaded, numbers, moved(made("basic", how), up, np.ones))
    assert at_once.weights
    monkeypatch.setattr(base, "CHUNK", 1)
    assert held(loaded, numbers, file).weights == ()
    assert held(loaded, numbers, moved(made("basic", how), up, np.ones)) == at_once


def _greater(tensors, variant, ours, theirs, file, least):
    """Numbers of FP8 just below a power of two rounded up to that, though the code below is nearer to them."""
    weight = tensors[f"{theirs.name}.weight"]
    exact = variant.weights.rows(ours.weight_name("weight"), 0, ours.shape[0])
    size = np.abs(exact / file.weights.steps(weight.name, 0, len(exact)).reshape(-1, *[1] * (exact.ndim - 1)))
    codes, kept = (numpy_helper.to_array(weight).view(np.uint8).copy(), np.abs(numpy_helper.to_array(weight)))
    codes[(codes & 7 == 7) & (codes & 127 < 119) & (codes & 127 > 15) & (size > least * kept.astype(np.float32))] += 1
    weight.raw_data = codes.tobytes()


def test_codes_of_fp8_that_are_not_the_nearest_are_found(made):
    """The next one, though it is nearer to the number than a sixteenth of it."""
    loaded, numbers, _, file = made("digits", "fp8")
    path = file.with_name("moved.onnx")
    path.write_bytes(file.read_bytes())
    _changed(path, loaded, numbers, _greater, 1.007)
    found = held(loaded, numbers, path).weights
    assert found
    assert all("steps apart" in message for message in found[:3])


@pytest.mark.parametrize(("name", "how", "signs"), spread(itertools.product(EVERY, HOW, SIGNS), 12))
def test_biases_that_are_all_as_far_as_one_may_be_are_found(made, name, how, signs):
    loaded, numbers, *_ = made(name, how)
    found = held(loaded, numbers, moved(made(name, how), signs=signs)).weights
    assert any("all of them together are" in message for message in found)


@pytest.mark.parametrize("how", ["cpu", "tensorrt"])
def test_a_bias_has_no_more_room_where_codes_are_moved_too(made, how):
    loaded, numbers, *_ = made("digits", how)
    found = held(loaded, numbers, moved(made("digits", how), up, other_signs)).weights
    assert any("'conv1.weight' is not that of" in message for message in found)
    assert any("'conv1.bias' is not that of" in message for message in found)


def test_what_is_left_to_biases_is_little_of_what_is_put_out(made):
    """Each at the same part of what one may be moved by: the most that passes, and what that makes of the outputs."""
    loaded, numbers, images, file = made("digits", "cpu")
    x = np.load(images)["images"][:32]
    wanted = session(file).run(None, {"input": x})[0]
    least = {}
    for part in (0.2, 0.3, 0.4, 0.5):
        path = moved(made("digits", "cpu"), signs=other_signs, part=part)
        if held(loaded, numbers, path).weights == ():
            least[part] = difference(session(path).run(None, {"input": x})[0], wanted)
    assert list(least) == [0.2]
    assert max(least.values()) < 0.1


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", ["digits", "basic"])
def test_biases_that_no_calibration_corrected_are_no_difference(made, name, how):
    loaded, numbers, *_ = made(name, how)
    assert held(loaded, numbers, moved(made(name, how), signs=np.zeros)).weights == ()


class _Images(CalibrationDataReader):
    def __init__(self, path):
        self._images = iter(np.load(path)["images"][:16])

    def get_next(self):
        image = next(self._images, None)
        return None if image is None else {"input": image[None].astype(np.float32)}


@pytest.mark.parametrize("name", ["digits", "basic", "depthwise"])
@pytest.mark.parametrize("reduced", [False, True])
def test_onnx_runtime_s_own_quantization_is_no_difference(made, name, reduced, tmp_path):
    loaded, numbers, images, _ = made(name, "cpu")
    plain = emit_onnx(loaded, tmp_path / "32.onnx", weights=numbers, fold=True)
    quantize_static(
        plain, tmp_path / "8.onnx", _Images(images), quant_format=QuantFormat.QDQ, per_channel=True,
        reduce_range=reduced, activation_type=QuantType.QInt8, extra_options={"ActivationSymmetric": True},
    )  # fmt: skip
    found = held(loaded, numbers, tmp_path / "8.onnx")
    assert (found.layers, found.weights) == ((), ())


# --- one row -------------------------------------------------------------------


def apart(wanted, here, steps=None, dtype="int8"):
    a, b = (np.array([row], np.float32) for row in (wanted, here))
    return count_steps_apart(a, b, None if steps is None else np.array([steps], np.float32), dtype, np.zeros_like(a))[0]


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8_e4m3fn"])
def test_rounding_explains_what_it_does_and_at_most_twice_that(name):
    exact = np.geomspace(0.1, 1, 20_001)
    rounded = exact.astype(np.dtype(getattr(ml_dtypes, name, name))).astype(np.float64)
    most = (np.abs(rounded - exact) / exact).max()
    assert most <= _allow_by_type(name) <= 2.1 * most


@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_codes_of_seven_bits_explain_half_a_step_of_the_largest_number(name):
    numbers = np.linspace(-1, 1, 20_001)
    most = np.abs(np.rint(numbers * 63) / 63 - numbers).max()
    assert most <= _allow_by_type(name) <= 1.05 * most


@pytest.mark.parametrize("step", [1.0, -1.0])
def test_each_number_is_measured_by_its_step(step):
    assert apart([126.5, 3.25, 0, -2], [127, 3, 1, -2], step).tolist() == [0.5, 0.25, 1, 0]


def test_a_row_of_equal_numbers_is_as_near_as_one():
    assert apart([7.25] * 9, [7] * 9, 1).max() <= 0.25
    assert apart([6.75] * 9, [7] * 9, 1).tolist() == [0.25] * 9


def test_what_codes_do_not_reach_is_no_rounding():
    assert apart([130, 126.5, -129, 2], [127, 126, -127, 2], 1).tolist() == [0, 0.5, 0, 0]
    assert apart([125, -125, 130, -130], [127, -127, 127, -127], 1).tolist() == [2, 2, 0, 0]
    assert apart([0.9, -3.0], [0, -3], 1).tolist() == [pytest.approx(0.9), 0]


def test_without_steps_they_are_what_is_between_the_nearest_two():
    assert apart([10, 20.5, 51], [11, 20, 51]).tolist() == [pytest.approx(1 / 9), pytest.approx(0.5 / 9), 0]
    assert apart([1, 19.5], [1, 20]).tolist() == [0, 0.5]
    assert apart([0.5, 0.0], [0, 0]).tolist() == [0, 0]


def test_numbers_of_fp8_have_the_step_that_they_are_in():
    found = apart([0.0, 1.0625, 15.5, 17, 448, 448, 0.001], [0, 1, 16, 18, 416, 448, 0], 1.0, "float8_e4m3fn")
    assert found[:6].tolist() == [0, 0.5, 0.5, 0.5, 1, 0]
    assert found[6] == pytest.approx(0.001 * 2**9)
    assert apart([1.0], [0.9], None, "float8_e4m3fn").tolist() == [0]


# --- one layer -----------------------------------------------------------------


def together(moved_by, alike=0.0, least=0.0, most=1.0):
    size = len(moved_by)
    ones, none = np.ones(size, np.float32), np.zeros(size, np.float32)
    return BiasAllowance(ones, none, alike * ones, ones, least, most).together(np.array(moved_by, np.float32), none)


@pytest.mark.parametrize("size", [1, 2, 16, 1000])
def test_one_bias_may_be_as_far_as_any_may_and_all_a_third_of_that(size):
    assert together(np.arange(size) == 0) < 1
    assert together(np.full(size, 1 / 3)) < 1
    assert (together(np.full(size, 0.9) * other_signs(size)) > 1) is (size > 1)


def test_what_the_mean_of_the_inputs_moves_is_no_part_of_that():
    slopes = np.resize([1.0, -2.0, 3.0, 0.5], 64)
    assert together(0.7 * slopes, slopes) < 1e-6
    assert together(-0.7 * slopes, slopes) > 1
    assert together(-0.7 * slopes, slopes, least=-1.0) < 1e-6
    assert together(5 * slopes, slopes) > 1
    assert together(np.zeros(0)) == 0


def test_what_is_never_negative_has_no_mean_below_zero(made):
    """Though codes with a sign reach as far below."""
    loaded, numbers, _, file = made("digits", "tensorrt")
    graph, theirs = lower(loaded), read_model(file)
    found = match_file(graph, weights_from(numbers, loaded, graph), theirs)
    ours, others = ({node.name: node for node in g.nodes} for g in (found.variant.graph, theirs.graph))
    layers = [(ours[a.name], others[b.name]) for a, b in found.match.pairs if isinstance(ours[a.name].op, Conv)]
    least = {a.path: allow_for_bias(found.variant, a, b, theirs).least for a, b in layers}
    assert min(least, key=least.get) == "stem.conv"
    assert {path for path, mean in least.items() if mean < 0} == {"stem.conv"}


def test_where_nothing_can_be_corrected_nothing_is_compared():
    none = np.zeros(4, np.float32)
    assert BiasAllowance(none, none, none, none, 0.0, 0.0).together(none, none) == 0

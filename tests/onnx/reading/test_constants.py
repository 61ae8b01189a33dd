"""What is read of constants is what ONNX Runtime computes of them, or, where it has no kernel, ONNX's own reference.

Each operator is given small arrays of each type and numbers that are hard: none, infinite, beyond a type, on its edge.
What the reader refuses is refused before the witness is asked: some runtimes end at an integer over zero.
"""

import random
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import AttributeProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from resnet_gen.graph import Value
from resnet_gen.onnx.reading.constants import DTYPES, tensor_constant
from resnet_gen.onnx.reading.graph_builder import GraphWalk
from resnet_gen.onnx.reading.naming import NodeNames
from resnet_gen.onnx.reading.operator_call import OperatorCall
from resnet_gen.onnx.reading.rounding_error import MissingNumbersError
from resnet_gen.onnx.reading.rules import OF_CONSTANTS, rule_for
from resnet_gen.onnx.reading.signals import UnexplainedOperator
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import TOLERANCE
from tests.onnx.reading.models import Hand, same_outputs

CASES = [1, pytest.param(50, marks=pytest.mark.long)]
"""How many times as many cases as these."""
FEW, MANY = 30, {"Cast": 300, "DequantizeLinear": 60, "Pow": 120, "QuantizeLinear": 200, "Reshape": 120, "Slice": 100}
TYPES = {dtype: number for number, dtype in DTYPES.items()}
FLOATS = [dtype for dtype in TYPES if dtype.kind in "fV" and dtype.itemsize > 1]
WHOLE = [dtype for dtype in TYPES if dtype.kind in "iu"]
EIGHT = [dtype for dtype in TYPES if dtype.kind in "fV" and dtype.itemsize == 1]
NARROW = [dtype for dtype in TYPES if dtype.isbuiltin != 1]
"""Types of ml_dtypes, which ONNX Runtime hands out as nothing that NumPy knows."""
BOOL, INT64, FLOAT = np.dtype("?"), np.dtype("<i8"), np.dtype("<f4")
HARD = [
    0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -1.0, 1.0, np.nan, np.inf, -np.inf, 448.0, 464.0, 480.0, 57344.0, 61440.0, 65520.0,
    70000.0, 3e9, -3e9, 1e30, 1e-30, 255.5, -128.9, 2.0**31, 2.0**63, -(2.0**63), 1 + 2.0**-11, 1 + 2.0**-8,
]  # fmt: skip
NEAR = ("BatchNormalization", "Pow", "ReduceMean")
"""Operators that a runtime computes to within rounding."""
ALIKE = 2e-3
"""What those may differ by, over the largest of a row."""


def array(draw, dtype, dims, hard=0.2):
    """An array of a type, of which some numbers are hard."""
    size = int(np.prod(dims))
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        few = [limits.min, limits.max, limits.max // 2, 0, 1, 2]
        made = [draw.choice(few) if draw.random() < hard else draw.randint(max(limits.min, -5), 5) for _ in range(size)]
    else:
        made = [draw.choice(HARD) if draw.random() < hard else draw.gauss(0, 2) for _ in range(size)]
    with np.errstate(all="ignore"):
        return np.asarray(made, dtype if dtype.kind in "iu" else np.float64).reshape(dims).astype(dtype)


def shape(draw, rank=3):
    return tuple(draw.choice([1, 2, 3]) for _ in range(draw.randint(0, rank)))


def hardness(draw):
    return draw.choice([0, 0, 0.1])


def alike(draw, kinds):
    """Two operands of a type that go together."""
    dtype, dims = draw.choice(kinds), shape(draw)
    other = tuple(draw.choice([n, 1]) for n in dims)[draw.randint(0, len(dims)) :]
    hard = hardness(draw)
    return array(draw, dtype, dims, hard), array(draw, dtype, other, hard)


def integers(*values):
    return np.asarray(values, np.int64)


def two(draw):
    return {}, alike(draw, [*FLOATS, *WHOLE])


def one(draw):
    return {}, [array(draw, draw.choice([*FLOATS, *WHOLE]), shape(draw), hardness(draw))]


def power(draw):
    base, exponent = alike(draw, [*FLOATS, *WHOLE])
    other = draw.choice([exponent.dtype, FLOAT, INT64])
    one = np.asarray(draw.choice([0, 1, 2, 2, 3, 0.5, -1])).astype(other)
    return {}, [base, one if draw.random() < 0.7 else exponent]


def equal(draw):
    first, second = alike(draw, [*FLOATS, *WHOLE, BOOL])
    return {}, [first, draw.choice([first, second])]


def where(draw):
    first, second = alike(draw, [*FLOATS, *WHOLE, BOOL])
    return {}, [array(draw, draw.choice([BOOL, BOOL, INT64]), first.shape, 0.5), first, second]


def cast(draw):
    given = {"to": TYPES[draw.choice(list(TYPES))]} | draw.choice([{}, {}, {"saturate": draw.randint(0, 1)}])
    return given, [array(draw, draw.choice(list(TYPES)), (draw.randint(1, 3),), draw.choice([0, 0.5]))]


def cast_like(draw):
    given, operands = cast(draw)
    return {k: v for k, v in given.items() if k != "to"}, [*operands, array(draw, DTYPES[given["to"]], (1,))]


def expand(draw):
    wanted = integers(*(draw.choice([1, 2, 3, 0]) for _ in range(draw.randint(0, 3))))
    return {}, [array(draw, draw.choice(list(TYPES)), draw.choice([(), (1,), (3,), (2, 1)])), wanted]


def filled(draw):
    value = draw.choice([None, *TYPES])
    given = {} if value is None else {"value": tensor(array(draw, value, draw.choice([(1,), (1,), (2,)])), "v")}
    return given, [integers(*(draw.choice([1, 2, 3, 0]) for _ in range(draw.randint(0, 3))))]


def constant(draw):
    value = draw.choice([{"value_int": 3}, {"value_ints": [1, 2]}, {"value_float": 0.1}, {"value_floats": [0.1, 2.0]}])
    of = array(draw, draw.choice(list(TYPES)), shape(draw))
    return draw.choice([value, {"value": tensor(of, "v")}, value | {"value_int": 4}]), []


def axes(draw, rank, most=2):
    return [
        draw.randint(-rank - (draw.random() < 0.1), max(rank - 1, 0)) for _ in range(draw.randint(0, min(most, rank)))
    ]


def squeezed(draw):
    dims = shape(draw)
    ones = [i - draw.choice([0, len(dims)]) for i, n in enumerate(dims) if n == 1 or draw.random() < 0.05]
    of = array(draw, draw.choice(list(TYPES)), dims)
    return {}, [of, integers(*ones)] if draw.random() < 0.8 else [of]


def unsqueezed(draw):
    of = array(draw, draw.choice(list(TYPES)), shape(draw))
    return {}, [of, integers(*axes(draw, of.ndim + 1))]


def gather(draw):
    of = array(draw, draw.choice([np.dtype("<i4"), INT64]), (draw.randint(1, 4),))
    index = array(draw, draw.choice([np.dtype("<i4"), INT64]), draw.choice([(), (1,), (3,)]), 0) % 5 - 2
    return draw.choice([{}, {}, {"axis": -1}, {"axis": 1}]), [of, index.astype(INT64)]


def concat(draw):
    types = draw.choice([[INT64], [INT64], [np.dtype("<i4")], [INT64, np.dtype("<i4")]])
    parts = [
        array(draw, draw.choice(types), draw.choice([(2,), (1,), (0,), (3,), ()])) for _ in range(draw.randint(1, 3))
    ]
    return {"axis": draw.choice([0, 0, -1, 1])}, parts


def cut(draw):
    of = array(draw, draw.choice(list(TYPES)), shape(draw))
    along = draw.choice([None, axes(draw, of.ndim)])
    count = draw.randint(0, of.ndim) if along is None else len(along)
    ends = [-(1 << 40), -4, -3, -2, -1, 0, 1, 2, 3, 1 << 40]
    given = [integers(*(draw.choice(ends) for _ in range(count))) for _ in range(2)]
    if along is not None:
        given += [integers(*along), integers(*(draw.choice([1, 2, -1, -2, 7]) for _ in range(count)))]
    return {}, [of, *given]


def counted(draw):
    dtype = draw.choice([np.dtype("<i2"), np.dtype("<i4"), INT64])
    return {}, [np.asarray(draw.choice([-5, -1, 0, 1, 2, 7]), dtype) for _ in range(3)]


def reshape(draw):
    of = array(draw, draw.choice(list(TYPES)), draw.choice([(), (1,), (2, 3), (6,), (1, 6), (0, 3)]))
    wanted = integers(*(draw.choice([1, 2, 3, 6, -1, 0]) for _ in range(draw.randint(0, 3))))
    return draw.choice([{}, {}, {"allowzero": 1}]), [of, wanted]


def transpose(draw):
    of = array(draw, draw.choice(list(TYPES)), shape(draw))
    order = draw.sample(range(of.ndim), of.ndim)
    return draw.choice([{}, {"perm": order}]), [of]


def sizes(draw):
    ends = {"start": draw.randint(-4, 4), "end": draw.randint(-4, 4)}
    dtype = draw.choice([*WHOLE, FLOAT])  # of others, ONNX's reference counts ends beyond the front otherwise than ONNX
    return draw.choice([{}, ends, {"start": ends["start"]}]), [array(draw, dtype, shape(draw))]


def mean(draw):
    of = array(draw, draw.choice([FLOAT, FLOAT, *FLOATS, *WHOLE]), shape(draw), hardness(draw))
    given = draw.choice([{}, {"keepdims": 0}, {"noop_with_empty_axes": 1}])
    over = axes(draw, of.ndim)
    if draw.random() < 0.5 and "noop_with_empty_axes" not in given:
        return given | {"axes": over}, [of]
    return given, draw.choice([[of], [of, integers(*over)], [of, integers(*over)]])


def normal(draw):
    dims = (2, *shape(draw, 2))
    count = dims[1] if len(dims) > 1 else 1
    column = [array(draw, FLOAT, (count,), 0) for _ in range(3)]
    given = draw.choice([{}, {"epsilon": 1e-3}, {"training_mode": draw.randint(0, 1)}])
    return given, [array(draw, FLOAT, dims, hardness(draw)), *column, np.abs(array(draw, FLOAT, (count,), 0))]


def scales(draw, of, dtype):
    """Scales, one for all or one a row, the attribute that says along which axis, and zero points."""
    rows = of.ndim and draw.random() < 0.5
    dims = of.shape[:1] if rows else draw.choice([(), ()])
    scale = np.abs(array(draw, draw.choice([FLOAT, FLOAT, np.dtype("<f2")]), dims, 0)) + np.float16(0.01)
    zero = array(draw, dtype, dims, 0) if dtype.kind in "iu" else np.zeros(dims, dtype)
    return scale, zero, {"axis": draw.choice([0, -of.ndim, 1])} if rows else {}


def dequantized(draw):
    dtype = draw.choice([*WHOLE, *EIGHT])
    of = array(draw, dtype, shape(draw), 0.3)
    scale, zero, given = scales(draw, of, dtype)
    return given, [of, scale, zero][: draw.choice([2, 3, 3])]


def quantized(draw):
    dtype = draw.choice([np.dtype("i1"), np.dtype("u1"), np.dtype("<i2"), np.dtype("<u2"), *EIGHT])
    of = array(draw, draw.choice([FLOAT, FLOAT, np.dtype("<f2"), np.dtype("<i4")]), shape(draw), 0.1)
    scale, zero, given = scales(draw, of, dtype)
    if draw.random() < 0.3:
        given["output_dtype"] = TYPES[dtype]
    if draw.random() < 0.2:
        given["saturate"] = 0
    if of.dtype == np.dtype("<f2"):
        scale = scale.astype(of.dtype)
    return given, [of, scale, zero][: draw.choice([2, 3, 3])]


def same(draw):
    return {}, [array(draw, draw.choice(list(TYPES)), shape(draw))]


GIVEN = {
    "Add": two, "Sub": two, "Mul": two, "Div": two, "Sqrt": one, "Neg": one, "Reciprocal": one, "Pow": power,
    "Equal": equal, "Where": where, "Cast": cast, "CastLike": cast_like, "Expand": expand, "ConstantOfShape": filled,
    "Squeeze": squeezed, "Unsqueeze": unsqueezed, "BatchNormalization": normal, "Concat": concat, "Constant": constant,
    "DequantizeLinear": dequantized, "Gather": gather, "Identity": same, "QuantizeLinear": quantized, "Range": counted,
    "ReduceMean": mean, "Reshape": reshape, "Shape": sizes, "Slice": cut, "Transpose": transpose,
}  # fmt: skip
"""What each operator on constants is given: attributes and operands."""


def tensor(values, name):
    values = np.asarray(values)
    return TensorProto(name=name, data_type=TYPES[values.dtype], dims=values.shape, raw_data=values.tobytes())


def attribute(name, value):
    kind = AttributeProto.INTS if isinstance(value, list) and not value else None
    return helper.make_attribute(name, value, attr_type=kind)


def ours(node, operands, opset):
    """What the reader makes of a node, as an array; None where it refuses it."""
    wires = [tensor_constant(t, None, None, Path("n.onnx")) for t in operands]
    walk = GraphWalk(Value("x", (3, 8, 8)), NodeNames([node], {"x"}), None, FLOAT)
    try:
        call = OperatorCall(walk, node, 0, opset, wires, lambda t: tensor_constant(t, None, None, Path("n.onnx")))
        found = rule_for(call)(call)
        numbers = np.asarray(found.array())
    except (UnexplainedOperator, MissingNumbersError, Refused):
        return None
    assert (numbers.dtype, numbers.shape) == (found.dtype, found.dims)
    return numbers


def made_type(graph, opset):
    """The element type that ONNX infers of the result; None where it infers none."""
    bare = helper.make_graph(graph.node, "g", [], [onnx.ValueInfoProto(name="y")], graph.initializer)
    model = helper.make_model(bare, opset_imports=[helper.make_opsetid("", opset)])
    return onnx.shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.elem_type or None


def theirs(node, operands, opset, dtype):
    """What a runtime makes of it; None where none computes it, or none takes such a file."""
    result = helper.make_tensor_value_info("y", TYPES[dtype], None)
    graph = helper.make_graph([node], "g", [], [result], operands)
    assert made_type(graph, opset) in (None, TYPES[dtype]), (opset, node, operands, dtype)
    if dtype in NARROW:
        graph.node.append(helper.make_node("Cast", ["y"], ["wide"], to=TensorProto.FLOAT))
        graph.output[0].CopyFrom(helper.make_tensor_value_info("wide", TensorProto.FLOAT, None))
        graph.value_info.append(result)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    half = node.op_type == "QuantizeLinear" and operands[0].data_type == TensorProto.FLOAT16
    try:
        if not half or rounds_halves():
            return run(model.SerializeToString())
    except Exception as error:  # of many kinds
        if "NOT_IMPLEMENTED" not in str(error) and "NotImplemented" not in type(error).__name__:
            return None
    try:
        with np.errstate(all="ignore"):
            return ReferenceEvaluator(model).run(None, {})[0]
    except Exception:  # of many kinds
        return None


@lru_cache
def rounds_halves():
    """Whether ONNX Runtime quantizes float16 as ONNX says; that of Python 3.10, 1.23, cuts off where it is to round."""
    operands = [tensor(np.float16(number), name) for name, number in (("c0", 1), ("c1", 1.5))]
    node = helper.make_node("QuantizeLinear", ["c0", "c1"], ["y"])
    result = helper.make_tensor_value_info("y", TensorProto.UINT8, None)
    graph = helper.make_graph([node], "g", [], [result], operands)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    return run(model.SerializeToString()) == 1


def run(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, {})[0]


def agree(op_type, found, wanted):
    """Whether numbers are the same to the bit, whatever stands for no number; or near, where rounding is free."""
    a, b = (x if x.dtype.kind in "iub" else x.astype(np.float64) for x in map(np.asarray, (found, wanted)))
    if a.shape != b.shape:
        return False
    same = ((a == b) & (np.signbit(a) == np.signbit(b)) | (a != a) & (b != b)) if a.dtype.kind == "f" else a == b
    if op_type in NEAR and a.dtype.kind == "f":
        size = np.abs(a).max(axis=tuple(range(1, a.ndim)), keepdims=True, initial=0) if a.ndim else np.abs(a)
        with np.errstate(all="ignore"):
            same |= np.abs(a - b) <= ALIKE * size
    return bool(np.all(same))


def test_every_operator_on_constants_is_tried():
    assert GIVEN.keys() == OF_CONSTANTS.keys()


@pytest.mark.parametrize("times", CASES)
@pytest.mark.parametrize("op_type", GIVEN)
def test_constants_are_what_a_runtime_computes_or_are_refused(op_type, times):
    draw, same, cases = random.Random(f"{op_type} {times}"), 0, times * MANY.get(op_type, FEW)
    for _ in range(cases):
        opset, (given, operands) = draw.choice([13, 17, 19, 21]), GIVEN[op_type](draw)
        tensors = [tensor(values, f"c{place}") for place, values in enumerate(operands)]
        node = helper.make_node(op_type, [t.name for t in tensors], ["y"])
        node.attribute.extend(attribute(name, value) for name, value in given.items())
        found = ours(node, tensors, opset)
        wanted = None if found is None else theirs(node, tensors, opset, found.dtype)
        if wanted is not None:
            assert agree(op_type, found, wanted), (opset, node, operands, found, wanted)
            same += 1
    assert same > cases // 12, "a sweep in which all is refused tests nothing"


def standardized(hand, weight):
    """As PyTorch exports the standardized weights of timm: a mean, a variance, and a normalization by both."""
    flat = hand.node("Reshape", weight, hand.integers(1, 256, -1))
    apart = hand.node("Sub", flat, hand.node("ReduceMean", flat, axes=[0, 2]))
    mean = hand.node("ReduceMean", flat, axes=[0, 2], keepdims=0)
    spread = hand.node("ReduceMean", hand.node("Mul", apart, apart), axes=[0, 2], keepdims=0)
    ones, zeros = hand.constant(np.ones(256)), hand.constant(np.zeros(256))
    return hand.node("BatchNormalization", flat, ones, zeros, mean, spread)


def by_itself(hand, weight):
    flat, ones, zeros = hand.node("Reshape", weight, hand.integers(1, 256, -1)), np.ones(256), np.zeros(256)
    operands = [hand.constant(column) for column in (ones, zeros, zeros, ones)]
    return hand.node("BatchNormalization", flat, *operands, training_mode=1, outputs=3)


def powers(hand, weight):
    return hand.node("Pow", hand.node("Mul", weight, weight), hand.constant(0.5))


def shuffled(hand, weight):
    """Two means of the same numbers in other orders, which runtimes part."""
    draw = np.random.default_rng(3)
    numbers = np.concatenate([[2.0**40, -(2.0**40)], np.ones(62)])
    first, second = (hand.node("ReduceMean", hand.constant(draw.permutation(numbers)), keepdims=0) for _ in range(2))
    return hand.node("Add", weight, hand.node("Sub", first, second))


def beyond(hand, weight):
    """A mean that float32 holds, of numbers whose sum it does not."""
    mean = hand.node("ReduceMean", hand.constant([3e38, 3e38]), keepdims=0)
    return hand.node("Mul", weight, hand.node("Div", mean, mean))


@pytest.mark.parametrize("make", [standardized, by_itself, powers])
def test_weights_that_rounding_hardly_changes_are_read(make, tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    weight = hand.node("Reshape", make(hand, hand.weight(256, 4, 3, 3)), hand.integers(256, 4, 3, 3))
    found = hand.read(path, hand.node("Conv", "x", weight))
    assert same_outputs(path, found) <= TOLERANCE


@pytest.mark.parametrize("make", [shuffled, beyond])
def test_weights_that_rounding_changes_are_no_weights(make, tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    found = hand.read(path, hand.node("Conv", "x", make(hand, hand.weight(2, 4, 3, 3))))
    (name,) = (node.weight_name("weight") for node in found.graph.nodes)
    with pytest.raises(Refused, match=r"depend on how a runtime rounds|are the runtime's choice"):
        found.weights.rows(name, 0, 2)


@pytest.mark.parametrize(("op", "reads", "times"), [("Mul", 2, 60), ("Neg", 1, 900)])
def test_weights_that_take_too_many_steps_are_no_weights(op, reads, times, tmp_path):
    """Squared again and again they take 2 ** 60; one after another they may take more than Python has frames."""
    hand, path = Hand(), tmp_path / "n.onnx"
    weight = hand.weight(2, 4, 3, 3)
    for _ in range(times):
        weight = hand.node(op, *[weight] * reads)
    found = hand.read(path, hand.node("Conv", "x", weight))
    (name,) = (node.weight_name("weight") for node in found.graph.nodes)
    with pytest.raises(Refused, match="too many steps"):
        found.weights.rows(name, 0, 2)


OPEN = {
    "a number that is none, as an integer": ("Cast", {"to": TensorProto.INT32}, [np.float32(np.nan)]),
    "a number below zero without a sign": ("Cast", {"to": TensorProto.UINT8}, [np.float32(-1)]),
    "the first number beyond int64": ("Cast", {"to": TensorProto.INT64}, [np.float32(2.0**63)]),
    "a number that rounding twice changes": ("Cast", {"to": TensorProto.FLOAT16}, [np.float64(1 + 2**-11 + 2**-40)]),
    "an infinity in eight bits": ("Cast", {"to": TensorProto.FLOAT8E5M2, "saturate": 0}, [np.float32(np.inf)]),
    "the least integer over -1": ("Div", {}, [np.int32(-(1 << 31)), np.int32(-1)]),
    "a power below one": ("Pow", {}, [np.int32(2), np.int32(-1)]),
    "a power beyond its type": ("Pow", {}, [np.int32(2), np.int32(31)]),
    "a zero below zero that is chosen": ("Where", {}, [np.bool_(True), np.float32(-0.0), np.float32(1)]),
    "a zero below zero as truth": ("Cast", {"to": TensorProto.BOOL}, [np.array(-0.0).astype(EIGHT[0])]),
    "too many steps": ("QuantizeLinear", {}, [np.float32(3e38), np.float32(1e-3)]),
    "no number as steps": ("QuantizeLinear", {}, [np.float32(np.nan), np.float32(1), np.int8(0)]),
    "a zero point beside a sum": ("DequantizeLinear", {}, [np.int32(1), np.float32(1), np.int32(5)]),
    "zero as any dimension or none": ("Reshape", {"allowzero": 1}, [np.zeros((0, 3), np.float32), integers(0, -1)]),
}  # fmt: skip


@pytest.mark.parametrize("case", OPEN)
def test_what_onnx_leaves_open_is_refused(case):
    op_type, given, operands = OPEN[case]
    tensors = [tensor(values, f"c{place}") for place, values in enumerate(operands)]
    node = helper.make_node(op_type, [t.name for t in tensors], ["y"], **given)
    assert ours(node, tensors, 21) is None

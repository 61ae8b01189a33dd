"""Files that are damaged, foreign or meant to do harm are refused, and nothing is changed or read elsewhere."""

import sys
import zipfile
from itertools import combinations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from resnet_gen.onnx.reading import read
from resnet_gen.onnx.writing.protobuf import integer, message, text
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import TINY
from tests.onnx.reading.models import Hand, file, network, tensors

DAMAGED = "error: not an ONNX file, or damaged\nhint: an ONNX model is wanted; was it copied or downloaded completely?"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A small network's file, as bytes."""
    return file(*network(TINY), tmp_path_factory.mktemp("tiny") / "n.onnx").read_bytes()


@pytest.fixture
def refusal(tmp_path):
    """What is said of a file of these bytes, or of this model, without its path."""

    def refusal(content):
        path = tmp_path / "n.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        with pytest.raises(Refused) as refused:
            read(path)
        return str(refused.value).removeprefix(f"{path}: ")

    return refusal


def model(tiny, change):
    """The small network's model with a change."""
    found = onnx.ModelProto.FromString(tiny)
    change(found.graph if change.__code__.co_varnames[0] == "g" else found)
    return found


def zipped():
    from io import BytesIO

    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("model.onnx", "x" * 100)
    return stream.getvalue()


NO_MODEL = {
    "text": b"name: resnet50\nstem: {kind: conv7x7}\n" * 9,
    "a zip": zipped(),
    "an engine": b"ftrt" + bytes(range(256)) * 9,
    "noise": np.random.default_rng(0).bytes(9999),
    "groups without end": b"\x3b" * 5000,
    "a number without end": b"\xff" * 5000,
}


@pytest.mark.parametrize("what", NO_MODEL)
def test_what_is_no_model_is_refused(what, refusal):
    assert refusal(NO_MODEL[what]).startswith("error: not an ONNX file, or damaged\nhint: ")


def test_half_a_file_is_refused(tiny, refusal):
    assert refusal(tiny[: len(tiny) // 2]) == DAMAGED


def test_an_empty_file_a_folder_and_no_file_are_refused(refusal, tmp_path):
    assert refusal(b"") == "error: an empty file"
    gone = tmp_path / "gone.onnx"
    for path, why in ((tmp_path, "not a file"), (gone, "cannot be read: No such file or directory")):
        with pytest.raises(Refused) as refused:
            read(path)
        assert str(refused.value) == f"{path}: error: {why}"


def test_a_model_of_nothing_is_refused(refusal):
    assert (
        refusal(onnx.ModelProto(producer_name="nobody"))
        == "error: not an ONNX file, or damaged\nhint: it has no layers"
    )


def test_a_million_empty_fields_are_refused(refusal):
    assert refusal(b"\x42\x00" * 700_000) == "error: it has more beside its weights than any network of its size"


def test_graphs_within_graphs_without_end_are_refused(refusal):
    node = message(1, text(1, "x") + text(2, "y") + text(4, "If"))
    for _ in range(300):
        branch = message(5, text(1, "then_branch") + message(6, node) + integer(20, 5))
        node = message(1, text(1, "x") + text(2, "y") + text(4, "If") + branch)
    assert refusal(message(7, node)) == DAMAGED


def no_text(m):
    m.graph.node[0].name = "NAME"


def test_names_that_are_no_text_are_refused(tiny, refusal):
    assert refusal(model(tiny, no_text).SerializeToString().replace(b"NAME", b"\xff\xfe\xff\xfe")) == DAMAGED


def old(m):
    m.opset_import[0].version = 9


def two_opsets(m):
    m.opset_import.add(domain="ai.onnx", version=17)


def sparse(g):
    g.sparse_initializer.add()


def called_twice(g):
    g.initializer.append(g.initializer[0])


def two_inputs(g):
    g.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def whole_numbers(g):
    g.input[0].type.tensor_type.elem_type = TensorProto.UINT8


def three_dimensions(g):
    del g.input[0].type.tensor_type.shape.dim[3:]


def open_size(g):
    g.input[0].type.tensor_type.shape.dim[2].dim_param = "H"


def negative_size(g):
    g.input[0].type.tensor_type.shape.dim[3].dim_value = -8


def absurd_size(g):
    g.input[0].type.tensor_type.shape.dim[3].dim_value = 1 << 40


def no_batch(g):
    g.input[0].type.tensor_type.shape.dim[0].dim_value = 0


def no_outputs(g):
    del g.output[:]


def output_of_nothing(g):
    g.output[0].name = "nobody"


def output_of_a_weight(g):
    g.output[0].name = g.initializer[0].name


def input_put_out(g):
    g.output[0].name = g.input[0].name


def made_twice(g):
    g.node[1].output[0] = g.node[0].output[0]


def weight_made_again(g):
    g.node[1].output[0] = g.initializer[0].name


def unsorted(g):
    nodes = list(g.node)[::-1]
    del g.node[:]
    g.node.extend(nodes)


def circle(g):
    g.node[0].input[0] = g.node[2].output[0]


def nothing_makes_it(g):
    del g.node[0]


def unknown_type(g):
    g.initializer[0].data_type = TensorProto.STRING


def negative_dimension(g):
    g.initializer[0].dims[0] = -4


def absurd_dimension(g):
    g.initializer[0].dims[0] = 1 << 60


def too_few_bytes(g):
    g.initializer[0].raw_data = g.initializer[0].raw_data[:-4]


def too_few_numbers(g):
    g.initializer[0].ClearField("raw_data")
    g.initializer[0].float_data.extend([1.0, 2.0])


def other_shape(g):
    g.initializer[0].dims[:] = [2, 2, 3, 3]


SIZELESS = "input 'input': its size is not stated\nhint: export it with a fixed size; only the batch may be left open"
NEWEST = onnx.defs.onnx_opset_version()
MODELS = {
    old: f"opset 9: one of 11 to {NEWEST} can be read",
    two_opsets: f"2 opsets of ONNX's own operators: one of 11 to {NEWEST} can be read",
    sparse: "sparse initializers cannot be read",
    called_twice: "two initializers are called 'stem.conv.weight'",
    two_inputs: "it has 2 inputs, and a network of images has one",
    whole_numbers: "input 'input': no floating-point numbers\n"
    "hint: node 0 'stem.conv', Conv, is no step from pixels that is seen through",
    three_dimensions: "input 'input': 3 dimensions, and a batch of images has 4",
    **dict.fromkeys((open_size, negative_size, no_batch), SIZELESS),
    absurd_size: "input 'input': images of [1, 8, 1099511627776] are beyond any machine",
    no_outputs: "its outputs are none, or one of them twice, or the input itself",
    output_of_nothing: "output 'nobody' is no activation",
    output_of_a_weight: "output 'stem.conv.weight' is no activation",
    input_put_out: "its outputs are none, or one of them twice, or the input itself",
    made_twice: "node 1 'stem.norm', BatchNormalization: 'stem.conv' is made twice",
    weight_made_again: "node 1 'stem.norm', BatchNormalization: 'stem.conv.weight' is made twice",
    unsorted: "node 0 'head.fc', Gemm: it reads 'head.flatten', which is made behind it",
    circle: "node 0 'stem.conv', Conv: it reads 'stem.act', which is made behind it",
    nothing_makes_it: "node 0 'stem.norm', BatchNormalization: it reads 'stem.conv', which nothing makes",
    unknown_type: "initializer 'stem.conv.weight': element type 8 is not read",
    negative_dimension: "initializer 'stem.conv.weight': no tensor has the shape [-4, 1, 3, 3]",
    absurd_dimension: "initializer 'stem.conv.weight': no tensor has the shape [1152921504606846976, 1, 3, 3]",
    too_few_bytes: "initializer 'stem.conv.weight': 140 bytes, and its shape and type take 144",
    too_few_numbers: "initializer 'stem.conv.weight': its numbers are not those of its shape and type",
    other_shape: "node 0 'stem.conv', Conv: its weight is 2x2x3x3, where 2x1x3x3 goes",
}


@pytest.mark.parametrize("change", MODELS, ids=lambda f: f.__name__)
def test_a_model_that_is_not_whole_is_refused(change, tiny, refusal):
    assert refusal(model(tiny, change)) == f"error: {MODELS[change]}"


def test_a_large_tensor_of_wrong_size_is_refused(tmp_path):
    hand = Hand()
    hand.node("Conv", "x", hand.weight(4, 4, 31, 31), pads=[15, 15, 15, 15])
    found = hand.model("t0")
    found.graph.initializer[0].raw_data += b"more"
    path = tmp_path / "n.onnx"
    path.write_bytes(found.SerializeToString())
    with pytest.raises(Refused) as refused:
        read(path)
    assert str(refused.value) == f"{path}: error: initializer 'c0': 61,508 bytes, and its shape and type take 61,504"


def test_one_activation_twice_is_refused(tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    first = hand.node("Relu", "x")
    with pytest.raises(Refused) as refused:
        hand.read(path, first, hand.node("Identity", first))
    assert str(refused.value) == f"{path}: error: its outputs are one activation twice, or the input itself"


def test_too_many_nodes_are_refused(tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    hand.nodes = [helper.make_node("Relu", ["x"], ["y"])] * 20_000
    with pytest.raises(Refused) as refused:
        hand.read(path, "y")
    most = 15_000 + path.stat().st_size // 2_000
    assert str(refused.value) == f"{path}: error: more than {most:,} nodes, which no network of its size has"


@pytest.fixture
def shallow():
    """Python's own limit of calls inside calls: other libraries raise it, where they were used before."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


def test_terms_that_wait_too_deeply_are_refused(tmp_path, shallow):
    hand, path, y = Hand(), tmp_path / "n.onnx", "x"
    for _ in range(900):  # Python 3.13 counts less of them
        y = hand.node("Slice", y, hand.integers(0), hand.integers(4), hand.integers(1), hand.integers(1))
        y = hand.node("Split", y, hand.integers(4), axis=1)
    with pytest.raises(Refused) as refused:
        hand.read(path, y)
    assert str(refused.value) == f"{path}: error: its nodes wait for one another too deeply"


FIELDS = (
    "double_data",
    "external_data",
    "float_data",
    "int32_data",
    "int64_data",
    "raw_data",
    "string_data",
    "uint64_data",
)
"""Each place for a tensor's numbers."""
OWN = {("float_data", "float32"), ("int32_data", "float16")}


def in_fields(side, dtype, *fields):
    """A network whose one weight has numbers in several fields: all of them where they fit its type, else one."""
    hand, size = Hand(), 16 * side * side
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    tensor = TensorProto(name="w", data_type=number, dims=[4, 4, side, side])
    for field in fields:
        if field == "external_data":
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="data")
        elif field == "raw_data":
            tensor.raw_data = bytes(np.dtype(dtype).itemsize * size)
        else:
            one = b"1" if field == "string_data" else 1
            getattr(tensor, field).extend([one] * (size if (field, dtype) in OWN else 1))
    hand.constants.append(tensor)
    hand.node("Conv", "x" if dtype == "float32" else hand.node("Cast", "x", to=number), "w", pads=[side // 2] * 4)
    return hand.model(f"t{len(hand.nodes) - 1}")


SIDES = [1, 15, 31]
"""Of filters that are read at once, and of those whose bytes are left in the file."""


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("fields", list(combinations(FIELDS, 2)), ids=" ".join)
def test_numbers_in_two_fields_are_refused_however_many_they_are(fields, side, dtype, partial, tmp_path):
    path = tmp_path / "n.onnx"
    path.write_bytes(in_fields(side, dtype, *fields).SerializeToString())
    with pytest.raises(Refused) as refused:
        read(path, partial=partial)
    assert str(refused.value) == f"{path}: error: initializer 'w': its numbers are in {' and in '.join(fields)}"


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("field", ["raw_data", "float_data", "external_data"])
def test_numbers_in_one_field_are_read(field, side, tmp_path):
    path = tmp_path / "n.onnx"
    path.write_bytes(in_fields(side, "float32", field).SerializeToString())
    (tmp_path / "data").write_bytes(bytes(64 * side * side))
    found = read(path)
    assert {array.shape for array in tensors(found.graph, found.weights).values()} == {(4, 4, side, side)}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("more", [1, 2000])
def test_raw_data_twice_of_two_sizes_are_refused(more, side, refusal):
    """A parser takes the last, wherever the numbers of its size are left."""
    model = in_fields(side, "float32", "raw_data")
    first = model.graph.initializer.pop().SerializeToString()
    said = refusal(model.SerializeToString() + message(7, message(5, first + message(9, bytes(4 * more)))))
    assert said.endswith((f"and its shape and type take {64 * side * side:,}", "are in raw_data and in raw_data"))


def segment(tensor):
    tensor.segment.SetInParent()


def elsewhere(tensor):
    tensor.external_data.add(key="location", value="data")


def raw_and_none(tensor):
    tensor.ClearField("raw_data")
    tensor.float_data.extend([1.0] * np.prod(tensor.dims))
    tensor.raw_data = b""


ODD = {
    segment: "it is a segment of a tensor, which cannot be read",
    elsewhere: "its numbers are in external_data and in raw_data",
    raw_and_none: "its numbers are in float_data and in raw_data",
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("change", ODD, ids=lambda f: f.__name__)
def test_numbers_that_are_elsewhere_too_are_refused(change, side, refusal):
    found = in_fields(side, "float32", "raw_data")
    change(found.graph.initializer[0])
    assert refusal(found) == f"error: initializer 'w': {ODD[change]}"


def test_a_place_beside_the_model_that_is_not_used_is_refused(refusal):
    found = external("data")
    found.graph.initializer[0].ClearField("data_location")
    why = "it has external_data, and its data_location is not EXTERNAL"
    assert refusal(found) == f"error: initializer 'w': {why}"


def external(location, offset="0", length=None):
    """A network whose one weight lies in a file beside it."""
    hand = Hand()
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 4, 1, 1], data_location=TensorProto.EXTERNAL)
    entries = {"location": location, "offset": offset} | ({"length": length} if length else {})
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    hand.constants.append(tensor)
    hand.node("Conv", "x", "w")
    return hand.model("t0")


OUTSIDE = {
    ("../secret",): "its data are to lie at '../secret', outside the model's folder",
    ("a/../../secret",): "its data are to lie at 'a/../../secret', outside the model's folder",
    ("/etc/passwd",): "its data are to lie at '/etc/passwd', outside the model's folder",
    ("..\\secret",): "its data are to lie at '..\\secret', outside the model's folder",
    ("",): "its data are to lie at '', outside the model's folder",
    ("data", "-1"): "its place in 'data' is no number",
    ("data", "9" * 30): "its place in 'data' is no number",
    ("data", "0", "32"): "32 bytes, and its shape and type take 64",
}


@pytest.mark.parametrize("entries", OUTSIDE)
def test_data_outside_the_folder_are_never_opened(entries, refusal):
    assert refusal(external(*entries)) == f"error: initializer 'w': {OUTSIDE[entries]}"


KEYS = ("location", "offset", "length", "checksum")
"""What onnx.proto has."""
STRANGE = ("basepath", "prepacked", "Location", "offset ", "", "\u0130")


def described(*keys):
    """A network whose one weight lies in a file beside it, which these entries tell."""
    found = external("data")
    tensor = found.graph.initializer[0]
    del tensor.external_data[:]
    for key in keys:
        tensor.external_data.add(key=key, value={"location": "data", "offset": "0", "length": "64"}.get(key, "0"))
    return found


@pytest.mark.parametrize("key", KEYS)
def test_an_entry_of_external_data_that_stands_twice_is_refused(key, refusal):
    for keys in ((*KEYS, key), (key, *KEYS), (*{"location": None, key: None}, key)):
        assert refusal(described(*keys)) == f"error: initializer 'w': its external_data have the entry '{key}' twice"


@pytest.mark.parametrize("key", STRANGE)
def test_an_entry_of_external_data_that_onnx_has_not_is_refused(key, refusal):
    for keys in ((*KEYS, key), (key, *KEYS), ("location", key)):
        why = f"its external_data have the entry '{key}' which ONNX has not"
        assert refusal(described(*keys)) == f"error: initializer 'w': {why}"


def test_external_data_are_read_by_what_onnx_has_of_them(tmp_path):
    path, numbers = tmp_path / "n.onnx", np.arange(16, dtype=np.float32)
    (tmp_path / "data").write_bytes(numbers.tobytes())
    for keys in (KEYS, KEYS[::-1], KEYS[:1], KEYS[:2]):
        path.write_bytes(described(*keys).SerializeToString())
        found = read(path)
        (array,) = tensors(found.graph, found.weights).values()
        assert (array.ravel() == numbers).all()


def test_data_behind_a_link_out_of_the_folder_or_too_short_are_refused(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    path = folder / "n.onnx"
    (tmp_path / "secret").write_bytes(bytes(64))
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "short").write_bytes(bytes(63))
    (folder / "empty").write_bytes(b"")
    beyond = "its data lie beyond the end of"
    for name, offset, why in (
        ("link", "0", "'link' leads outside the model's folder"),
        ("short", "0", f"{beyond} 'short'"),
        ("empty", "0", f"{beyond} 'empty'"),
        ("short", "999999999999", f"{beyond} 'short'"),
    ):
        path.write_bytes(external(name, offset).SerializeToString())
        found = read(path)
        with pytest.raises(Refused) as refused:
            tensors(found.graph, found.weights)
        assert str(refused.value) == f"{path}: error: initializer 'w': {why}"


def test_weights_that_are_not_finite_are_refused_when_they_are_read(tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    found = hand.read(path, hand.node("Conv", "x", hand.constant(np.full((4, 4, 1, 1), np.inf), "conv.weight")))
    with pytest.raises(Refused) as refused:
        tensors(found.graph, found.weights)
    assert str(refused.value) == f"{path}: error: 'conv.weight' has values that are not finite in float32"


def test_weights_that_were_left_out_are_refused_when_they_are_read(tmp_path):
    hand, path = Hand(), tmp_path / "n.onnx"
    hand.constants.append(TensorProto(name="conv.weight", data_type=TensorProto.FLOAT, dims=[4, 4, 1, 1]))
    found = hand.read(path, hand.node("Conv", "x", "conv.weight"))
    with pytest.raises(Refused) as refused:
        tensors(found.graph, found.weights)
    assert str(refused.value) == f"{path}: error: the numbers of 'conv.weight' are not in the file"

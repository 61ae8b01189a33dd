"""What resizes and crops pictures is read as what it is, and what differs in one number or operator is not."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from resnet_gen.build.build import model_bytes
from resnet_gen.build.request import Request
from resnet_gen.onnx.reading.surroundings.file import read_inner_model, uses_resize
from resnet_gen.ops.serving import round_part
from tests.helpers.served import load_served
from tests.helpers.surroundings import MEAN, STD, Around, resize_by_operator

OTHER = {
    "Add": "Sub", "Cast": None, "Div": "Mul", "Floor": "Ceil", "Gather": None, "MatMul": None, "Max": "Min",
    "Min": "Max", "Mul": "Add", "Range": None, "ReduceSum": "ReduceMax", "Shape": None, "Sub": "Add", "Unsqueeze": None,
}  # fmt: skip
"""An operator of the same operands that computes something else, where there is one."""
SWAPPED = ("Add", "Max", "Min", "Mul")


@pytest.fixture(scope="module")
def built():
    return model_bytes(load_served("size=any", "outputs=[logits]"), Request())


def read(model, folder):
    """The part that is kept, as a file says it by its nodes; None where they are no crop."""
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    around = read_inner_model(folder / "m.onnx").surroundings
    return around.input and around.input.crop


def list_steps(model):
    return [node for node in model.graph.node if node.name.startswith("serve.resize")]


def test_each_number_of_it_matters(built, tmp_path):
    model = onnx.load_from_string(built)
    assert read(model, tmp_path) == 0.875
    for tensor in model.graph.initializer:
        if tensor.name.startswith("serve.resize."):
            own, values = tensor.SerializeToString(), numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(values + 1, values.dtype), tensor.name))
            assert read(model, tmp_path) != 0.875, tensor.name
            tensor.ParseFromString(own)
    assert read(model, tmp_path) == 0.875


def test_each_operator_of_it_matters(built, tmp_path):
    model = onnx.load_from_string(built)
    for node in list_steps(model):
        if other := OTHER[node.op_type]:
            own, node.op_type = node.op_type, other
            assert read(model, tmp_path) is None, node.name
            node.op_type = own
    assert read(model, tmp_path) == 0.875


def test_the_order_of_operands_does_not_where_it_changes_nothing(built, tmp_path):
    model = onnx.load_from_string(built)
    for node in list_steps(model):
        first, *rest = node.input
        if rest:
            node.input[:] = [*rest[::-1], first]
            assert (read(model, tmp_path) == 0.875) == (node.op_type in SWAPPED), node.name
            if node.op_type not in SWAPPED:
                node.input[:] = [first, *rest]
    assert read(model, tmp_path) == 0.875


def test_a_tensor_that_something_else_reads_too_is_left_where_it_stands(built, tmp_path):
    model = onnx.load_from_string(built)
    columns, _ = (node for node in list_steps(model) if node.op_type == "MatMul")
    parts = ("resized_columns", "raised_columns", "whole_columns", "resized_rows", "raised_rows")
    for name in (columns.input[0], *(f"serve.resize.{part}" for part in parts)):
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        assert read(model, tmp_path) is None, name
        del model.graph.output[-1]
    assert read(model, tmp_path) == 0.875


def test_sides_of_another_part_of_the_shape_are_no_sides(built, tmp_path):
    model = onnx.load_from_string(built)
    (shape,) = (node for node in list_steps(model) if node.op_type == "Shape")
    for name, value in (("start", 1), ("end", 3)):
        shape.attribute.append(onnx.helper.make_attribute(name, value))
        assert read(model, tmp_path) is None, name
        del shape.attribute[:]
    assert read(model, tmp_path) == 0.875


@pytest.mark.parametrize(("side", "crop"), [((16, 16), 0.9), ((1, 16), 1.0), ((16, 1), 0.5), ((7, 9), 5 / 6)])
def test_the_part_that_is_kept_and_the_size_are_read_from_it(side, crop, tmp_path):
    more = (f"input.size=[{side[0]}, {side[1]}]", f"input.crop={crop}")
    for dtype in ("uint8", "float32"):
        served = load_served("size=any", f"type={dtype}", "outputs=[logits]", more=more)
        assert read(onnx.load_from_string(model_bytes(served, Request())), tmp_path) == round_part(crop)


def test_files_that_resize_by_the_operator_are_read_as_before(tmp_path):
    around = Around().step("Transpose", perm=[0, 3, 1, 2])
    resize_by_operator(around, 8, 0.875).step("Cast", to=TensorProto.FLOAT).step("Div", around.constant(255.0))
    for op, numbers in (("Sub", MEAN), ("Div", STD)):
        around.step(op, around.constant(np.reshape(numbers, (3, 1, 1))))
    dims = around.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_param, dims[2].dim_param = "height", "width"
    around.model.opset_import[0].version = 18
    path = around.write(tmp_path / "old.onnx")
    taken = read_inner_model(path).surroundings.input
    assert (taken.crop, taken.mean, taken.std, uses_resize(path)) == (0.875, MEAN, STD, True)

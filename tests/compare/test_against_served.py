"""Files with pixels before their network and classes behind it: read, they are what was asked for, and no other."""

import itertools
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from resnet_gen.build.build import write_model
from resnet_gen.build.file_input import read_statement
from resnet_gen.build.request import Request
from resnet_gen.compare.against.model import compare_model, read_model
from resnet_gen.graph.counts import count
from resnet_gen.graph.surrounding_terms import simplify_surroundings
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.metadata_keys import SERVE_KEY
from resnet_gen.onnx.reading import read
from resnet_gen.onnx.reading.surroundings.file import read_surroundings
from resnet_gen.ops.precision import Calibration, QuantizationChoice
from resnet_gen.verify.subject import Subject
from tests.helpers.onnx_runs import TINY

COLOURS = ("input.channels=3", "input.size=16", "head.classes=7", "input.crop=0.875")
TYPES, LAYOUTS, ORDERS, SIZES = ("uint8", "float32"), ("NHWC", "NCHW"), ("RGB", "BGR"), ("fixed", "any")
OUTPUTS = (
    "[]",
    "[probabilities, top2]",
    "[logits, top1]",
    "[top2]",
    "[probabilities]",
    "[embedding, normalized_embedding, logits]",
    "[stage1, top1]",
    "[embedding]",
    "[normalized_embedding, stage1]",
)
EVERY = tuple(itertools.product(TYPES, LAYOUTS, ORDERS, SIZES, OUTPUTS))


def eight_bits(placement):
    choice = QuantizationChoice("int8", placement, "float32", Calibration("random"))
    return Request(precision="int8", quantizing=choice)


REQUESTS = {
    "fp32": Request(),
    "folded": Request(fold=True),
    "fp16": Request(precision="fp16"),
    "int8 for a CPU": eight_bits("cpu"),
    "int8 for TensorRT": eight_bits("tensorrt"),
}
BYTES = ("input.mean=[0, 0, 0]", "input.std=[1, 1, 1]")
"""With these, pixels are their own eight bits."""


def served(*serve, more=()):
    return load(str(TINY), (*COLOURS, *more, "serve={}", *(f"serve.{text}" for text in serve)))


def subject_of(loaded):
    graph = lower(loaded)
    return Subject(loaded, graph, count(graph))


def compare(loaded, path):
    """What `verify SPEC --against FILE` finds."""
    found = compare_model(path, read_model(path), None, subject_of(loaded))
    return [*found.layers, *found.shapes, *found.surroundings]


def without_sources(around):
    """What is around a network, whatever its tensors are called."""
    return simplify_surroundings(replace(around, outputs=tuple(replace(each, source="") for each in around.outputs)))


def check_file(loaded, request, path):
    write_model(loaded, request, path)
    said = {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
    stated = read_statement(said[SERVE_KEY])
    assert without_sources(read_surroundings(path)) == without_sources(stated)
    assert without_sources(read(path).surroundings) == without_sources(stated)
    assert compare(loaded, path) == []


def check(tmp_path, request, dtype, layout, order, size, outputs, more=()):
    settings = (f"type={dtype}", f"layout={layout}", f"order={order}", f"size={size}", f"outputs={outputs}")
    check_file(served(*settings, more=more), REQUESTS[request], tmp_path / "m.onnx")


@pytest.mark.parametrize("case", EVERY[::17], ids="-".join)
def test_a_file_is_read_as_what_it_was_built_for(case, tmp_path):
    check(tmp_path, "fp32", *case)


@pytest.mark.parametrize("request_", [each for each in REQUESTS if each != "fp32"])
@pytest.mark.parametrize("size", SIZES)
def test_so_it_is_in_each_precision(request_, size, tmp_path):
    outputs = "[stage1, embedding, normalized_embedding, logits, probabilities, top2]"
    check(tmp_path, request_, "uint8", "NHWC", "BGR", size, outputs)


@pytest.mark.parametrize("size", SIZES)
def test_so_it_is_where_the_first_layer_reads_bytes(size, tmp_path):
    check(tmp_path, "int8 for a CPU", "uint8", "NHWC", "BGR", size, "[probabilities, top2]", BYTES)


@pytest.mark.long
@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("case", EVERY, ids="-".join)
def test_so_it_is_however_it_is_built(request_, case, tmp_path):
    for more in ((), BYTES) if request_ == "int8 for a CPU" else ((),):
        check(tmp_path, request_, *case, more)

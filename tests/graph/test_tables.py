"""The paper's table and the layer list, as text."""

from dataclasses import asdict

import pytest

from resnet_gen import ops
from resnet_gen.graph import Node, Value
from resnet_gen.graph.counts import count
from resnet_gen.graph.tables import align_columns, describe, layer_rows, layer_table, sides, stage_rows, stage_table
from tests.helpers.onnx_runs import network

RESNET50 = """\
stage    output          blocks                                         params           MACs
stem     64 x 56 x 56    7x7, 64, stride 2; 3x3 max pool, stride 2       9,536    118,013,952
stage 1  256 x 56 x 56   [1x1, 64; 3x3, 64; 1x1, 256] x 3              215,808    667,942,912
stage 2  512 x 28 x 28   [1x1, 128; 3x3, 128; 1x1, 512] x 4          1,219,584  1,027,604,480
stage 3  1024 x 14 x 14  [1x1, 256; 3x3, 256; 1x1, 1024] x 6         7,098,368  1,464,336,384
stage 4  2048 x 7 x 7    [1x1, 512; 3x3, 512; 1x1, 2048] x 3        14,964,736    809,238,528
head     1000            global average pool; 1000-d fc              2,049,000      2,048,000
total                    50 layers                                  25,557,032  4,089,184,256
"""


def blocks(name, *settings):
    return [row.blocks for row in stage_rows(network(name, *settings))]


def test_resnet50_is_the_paper_s_table():
    assert stage_table(network("resnet50")) == RESNET50


def test_vgg16_pools_at_the_end_of_each_stage_and_has_no_stem():
    assert blocks("vgg16") == [
        "[3x3, 64] x 2, 2x2 max pool, stride 2",
        "[3x3, 128] x 2, 2x2 max pool, stride 2",
        "[3x3, 256] x 3, 2x2 max pool, stride 2",
        "[3x3, 512] x 3, 2x2 max pool, stride 2",
        "[3x3, 512] x 3, 2x2 max pool, stride 2",
        "4096-d fc; 4096-d fc; 1000-d fc",
    ]


def test_highway_c_alternates_windows_in_runs():
    first = "[3x3, 32] x 1, [1x1, 32, gated] [3x3, 32, gated] x 4, [1x1, 32, gated] x 1, 2x2 max pool, stride 2"
    assert blocks("highway-c")[0] == first
    assert blocks("highway-c")[2:] == [
        "[3x3, 96] x 1, [1x1, 96, gated] [3x3, 96, gated] x 5",
        "global average pool; 10-d fc",
    ]


@pytest.mark.parametrize("name", ["resnet18", "preact164", "highway-b", "vgg11_bn", "cifar-resnet1202"])
def test_rows_of_stages_and_of_layers_add_up_to_the_network(name):
    graph = network(name)
    total = count(graph)
    for rows in (stage_rows(graph), layer_rows(graph)):
        assert (sum(r.params for r in rows), sum(r.macs for r in rows)) == (total.params, total.macs)
    assert layer_rows(graph)[-1].output == stage_rows(graph)[-1].output == graph.outputs[0].shape


def test_a_projection_is_no_part_of_the_block_s_text_but_counts():
    (first, *_), (with_all, *_) = (
        [r for r in stage_rows(network("resnet34", f"stages.shortcut={s}")) if r.stage == "stage 1"]
        for s in ("projection", "projection_all")
    )
    assert first.blocks == with_all.blocks == "[3x3, 64; 3x3, 64] x 3"
    assert with_all.params > first.params


def test_attention_and_what_smooths_a_map_stand_in_the_block():
    assert blocks("seresnet18")[1] == "[3x3, 64; 3x3, 64, attention] x 2"
    assert blocks("regnety_002")[3] == "[1x1, 152; 3x3, 152, 19 groups; 1x1, 152, attention] x 4"
    assert blocks("resnetblur18")[2] == "[3x3, 128; 3x3 blur, stride 2; 3x3, 128] x 1, [3x3, 128; 3x3, 128] x 1"


def test_a_block_that_pools_inside_is_a_block_in_brackets():
    rows = blocks("res2net50_26w_4s")
    links = "3x3, 52; 3x3, 52; 3x3, 52"
    first = f"[1x1, 208; {links}; 3x3 average pool, stride 2; 1x1, 512] x 1"
    assert rows[2] == f"{first}, [1x1, 208; {links}; 1x1, 512] x 3"


def test_a_softmax_stands_in_the_head():
    assert blocks("resnet18", "head.softmax=true")[-1] == "global average pool; 1000-d fc; softmax"


def node(op, *shapes):
    return Node("n", "n", op, tuple(Value(f"x{i}", s) for i, s in enumerate(shapes)), Value("y", op.shape(*shapes)))


MAP = (8, 4, 4)


@pytest.mark.parametrize(
    ("op", "words"),
    [
        (ops.Conv(16, 3, padding=1), "3x3, 16"),
        (ops.Conv(16, 3, 2, 1, groups=4), "3x3, 16, 4 groups, stride 2"),
        (ops.Conv(16, 3, padding=2, dilation=2), "3x3, 16, dilation 2"),
        (ops.Conv(16, 3, padding=1, groups=2), "3x3, 16, 2 groups"),
        (ops.MaxPool(2, 2), "2x2 max pool, stride 2"),
        (ops.AvgPool(4, 4), "4x4 average pool, stride 4"),
        (ops.GlobalAvgPool(), "global average pool"),
        (ops.BatchNorm(), "batch norm"),
        (ops.Activation("leaky_relu"), "leaky_relu"),
        (ops.OneMinus(), "1 - x"),
        (ops.PadChannels(16), "zero channels"),
        (ops.Subsample(2), "subsample"),
        (ops.Flatten(), "flatten"),
        (ops.Cast("float16"), "cast"),
    ],
)
def test_each_operation_in_a_few_words(op, words):
    assert describe(node(op, MAP)) == words


def test_a_stride_is_left_out_where_it_is_not_wanted():
    assert describe(node(ops.Conv(16, 3, 2, 1), MAP), stride=False) == "3x3, 16"


def test_one_line_a_layer():
    lines = layer_table(network("resnet18")).splitlines()
    assert len(lines) == 1 + len(network("resnet18").nodes)
    assert lines[0].split() == ["layer", "operation", "output", "params", "MACs"]
    assert lines[1].split("  ")[0] == "conv1"
    assert lines[1].endswith("9,408  118,013,952")


def test_rows_are_plain_data_too():
    row = asdict(stage_rows(network("resnet18"))[0])
    assert row == {
        "stage": "stem",
        "output": (64, 56, 56),
        "blocks": "7x7, 64, stride 2; 3x3 max pool, stride 2",
        "params": 9536,
        "macs": 118013952,
    }


def test_columns_are_aligned_and_end_without_spaces():
    rows = [("name", "n", ""), ("a", "10", "x"), ("long name", "1,000", "")]
    assert align_columns(rows, right=(1,)) == "name           n\na             10  x\nlong name  1,000\n"


def test_a_shape_as_people_write_it():
    assert sides((256, 56, 56)) == "256 x 56 x 56"


def test_the_table_of_a_network_with_several_outputs_ends_with_them():
    graph = network("resnet18", "outputs=[stage4, stage2]")
    assert [line.split() for line in stage_table(graph).splitlines()[-3:]] == [
        ["outputs", "512", "x", "7", "x", "7", "stage4"],
        ["outputs", "128", "x", "28", "x", "28", "stage2"],
        ["outputs", "1000", "logits"],
    ]


def test_rows_of_a_table_have_as_many_cells_each():
    for rows in ([("a", "b"), ("c",)], [("a",), ("b", "c")]):
        with pytest.raises(ValueError, match="argument"):
            align_columns(rows)

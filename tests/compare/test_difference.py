"""Differences between networks: what is told of them, and in which words."""

import re
from dataclasses import replace
from typing import get_args

import pytest

from resnet_gen.compare.difference.graphs import compare
from resnet_gen.compare.difference.key_changes import KeyChange
from resnet_gen.compare.difference.review import NetworkReview
from resnet_gen.compare.difference.sides import Side
from resnet_gen.compare.formats import rows, spec_terms, summary
from resnet_gen.compare.formats.markdown import LIMIT, escape_markdown, write_markdown
from resnet_gen.compare.formats.review import describe_network
from resnet_gen.compare.formats.summary import list_clauses, write_headline
from resnet_gen.compare.formats.text import write_text
from resnet_gen.compare.formats.words import block_name, format_percent
from resnet_gen.compare.report import Report
from resnet_gen.graph import Net, Value, rename_nodes
from resnet_gen.graph.rewiring import rewire_graph
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.ops import Activation, Add, BatchNorm, Concat, Conv, Function
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import network
from tests.verify.test_mutations import MUTATIONS


def report(before, after, *, files=False, names=("a", "b")):
    sides = (Side(name, "spec", graph) for name, graph in zip(names, (before, after), strict=True))
    return Report(*sides, compare(before, after, files=files))


@pytest.mark.parametrize(("names", "called"), [
    (["layer1.0.conv1", "layer1.0.bn1"], "layer1.0"), (["layer1.0.conv1"], "layer1.0.conv1"),
    (["a.b.c.d", "a.b.x.d", "a.b.c.y"], "a.b"), (["conv", "norm"], "BLOCK"), (["a.conv", "b.conv"], "BLOCK"),
    (["a.x.c", "b.x.c"], "BLOCK"), (["a.b", "a.b.c"], "a"),
])  # fmt: skip
def test_a_block_is_called_what_its_layers_have_in_common(names, called):
    graph = network("cifar-resnet20")
    nodes = [replace(node, name=name) for node, name in zip(graph.nodes, names, strict=False)]
    assert block_name(nodes) == called.replace("BLOCK", graph.nodes[0].block)


def told(before, after, **given):
    return list_clauses(report(before, after, **given).difference)


def spec(name, *settings):
    return lower(load(name, settings))


OUTSIDE_THE_GRAPH = {
    "blur_over_a_border_of_zeros",
    "blur_as_a_plain_average",
    "filters_standardized_without_their_mean",
    "softmax_of_the_splits_over_the_channels",
    "padding_left_out_of_the_average",
    "groups_left_out_of_the_macs",
}
"""Mutations of how an operation is written, computed or counted: the graph stays the same."""


@pytest.mark.parametrize(("name", "patch", "expected"), MUTATIONS)
def test_every_broken_part_is_a_difference(name, patch, expected, monkeypatch):
    before = network(name)
    patch(monkeypatch)
    try:
        after = network(name)
    except Refused:
        assert expected == {"shapes"}
        return
    found = report(before, after)
    if before == after:
        assert patch.__name__ in OUTSIDE_THE_GRAPH
        return
    assert not found.difference.same
    assert list_clauses(found.difference)


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (("resnet50-v1",), ("resnet50",), "3 strides moved from conv1 to conv2; MACs +231,211,008 (+5.99 %)"),
        (
            ("resnet50",),
            ("cbam-resnet50",),
            "3 strides moved from conv2 to conv1; attention added to 16 blocks; params ",
        ),
        (("resnet50",), ("resnet101",), "17 blocks added to stage 3; params +18,992,128 (+74.31 %), MACs "),
        (("resnet34",), ("resnet18",), "8 blocks removed (1 in stage 1, 2 in stage 2, 4 in stage 3, 1 in stage 4); "),
        (("resnet50",), ("resnet50_gn",), "batch norm -> group norm everywhere (53); params and MACs unchanged"),
        (("resnet50",), ("wide_resnet50_2",), "filters x 2 in 32 convolutions; params "),
        (
            ("resnet50",),
            ("resnext50_32x4d",),
            "filters x 2 in 32 convolutions; groups 1 -> 32 in 16 convolutions; params ",
        ),
        (("seresnet50",), ("ecanet50",), "attention replaced in 16 blocks; params "),
        (
            ("skresnet50",),
            ("skresnet50", "stages.block=bottleneck"),
            "16 blocks replaced (1x1, 3x3, 3x3, 1x1 -> 1x1, 3x3, 1x1); attention removed from 16 blocks; params ",
        ),
        (
            ("skresnet50",),
            ("skresnet50", "norm=none"),
            "bias no -> yes in 69 convolutions; 65 batch norms removed; 16 batch norms removed from attentions; 4 "
            "batch norms removed from shortcuts; params ",
        ),
        (("regnety_002",), ("regnety_002", "stages.attention=cbam"), "attention replaced in 13 blocks; params "),
        (("cbam-resnet50",), ("seresnet50",), "3 strides moved from conv1 to conv2; attention replaced in 16 blocks; "),
        (("skresnet50",), ("skresnet50", "stages.attention=se"), "32 convolutions added to attentions; "),
        (("resnet34-a",), ("resnet34-b",), "3 subsamplings removed from shortcuts; 3 channel paddings removed from "),
        (("vgg11",), ("vgg13",), "2 blocks added (1 in stage 1, 1 in stage 2); params "),
        (
            ("resnet18", "stages.depths=[2,2,2,2]"),
            ("resnet18", "stages.depths=[2,2,2,2,3]"),
            "stage 5 (3 blocks) added; ",
        ),
        (("resnet18",), ("resnet18", "head=none"), "head removed; params -513,000 (-4.39 %), MACs "),
        (("resnet18",), ("resnet18", "stem=conv3x3"), "stem replaced; "),
        (("resnet18",), ("resnet18", "activation=silu"), "relu -> silu everywhere (17); params and MACs unchanged"),
        (("resnet18",), ("resnet18", "activation=elu"), "relu -> elu everywhere (17); params and MACs unchanged"),
        (
            ("resnet34", "activation={kind: leaky_relu, slope: 0.1}"),
            ("resnet34", "activation={kind: leaky_relu, slope: 0.2}"),
            "slope 0.1 -> 0.2 in 33 leaky_relus; params and MACs unchanged",
        ),
    ],
)
def test_the_headline(before, after, line):
    assert write_headline(report(spec(*before), spec(*after))).startswith(line)


def test_an_inserted_block_is_one_added_block():
    before = spec("resnet50")
    overrides = 'stages.overrides={"stage3.block3": {"block": {"kind": "bottleneck", "groups": 2}}}'
    after = spec("resnet50", "stages.depths=[3,4,7,3]", overrides)
    found = compare(before, after)
    added = {c.node.block for c in found.changes if c.kind == "added"}
    assert added == {"stages.2.2"}
    assert {c.kind for c in found.changes} == {"added"}
    assert told(before, after) == ["1 block added to stage 3"]


def test_an_inserted_stage_is_one_added_stage():
    before = spec("resnet18", "stages.widths=[64,128,256]", "stages.depths=[2,2,2]", "stages.strides=[1,1,1]")
    after = spec("resnet18", "stages.widths=[64,96,128,256]", "stages.depths=[2,1,2,2]", "stages.strides=[1,1,1,1]")
    assert told(before, after) == ["stage 2 (1 block) added"]


def changed(graph, index, **values):
    nodes = list(graph.nodes)
    nodes[index] = replace(nodes[index], **values)
    return replace(graph, nodes=tuple(nodes))


def test_operands_in_another_order_are_told_where_the_order_matters():
    graph = spec("res2net50_26w_4s")
    index = next(i for i, node in enumerate(graph.nodes) if isinstance(node.op, Concat))
    node = graph.nodes[index]
    other = changed(graph, index, inputs=node.inputs[::-1])
    assert told(graph, other) == [f"1 layer takes other operands ({node.name})"]
    (change,) = compare(graph, other).changes
    assert [setting.name for setting in change.settings] == ["operands"]
    index = next(i for i, node in enumerate(graph.nodes) if isinstance(node.op, Add))
    assert compare(graph, changed(graph, index, inputs=graph.nodes[index].inputs[::-1])).same


def test_a_shortcut_from_elsewhere_is_told_though_the_order_of_a_sum_does_not_matter():
    graph = spec("cifar-resnet20")
    sums = [i for i, node in enumerate(graph.nodes) if isinstance(node.op, Add)]
    before, node = graph.nodes[sums[0]], graph.nodes[sums[1]]
    assert told(graph, changed(graph, sums[1], inputs=(node.inputs[0], before.output))) == [
        f"1 layer takes other operands ({node.name})"
    ]


def test_numbers_that_are_no_counts_have_no_ratio():
    graph = spec("resnet18", "activation={kind: leaky_relu, slope: 0.1}")
    first, second, *_ = [i for i, node in enumerate(graph.nodes) if isinstance(node.op, Activation)]
    before = changed(graph, second, op=replace(graph.nodes[second].op, slope=0.2))
    after = changed(changed(graph, first, op=replace(graph.nodes[first].op, slope=0.2)), second,
                    op=replace(graph.nodes[second].op, slope=0.4))  # fmt: skip
    assert told(before, after) == ["slope changed in 2 leaky_relus"]


def test_so_many_keys_are_shown_and_the_rest_are_counted():
    graph = spec("resnet18")
    sides = (Side(name, "spec", graph) for name in "ab")
    keys = tuple(KeyChange(("quantization", f"[{number:02}]"), 0, 1, loosened=number < 25) for number in range(75))
    found = Report(*sides, compare(graph, graph), terms=keys)
    shown, listed = write_text(found), write_markdown(found)
    assert [shown.count(f"quantization[{number}]") for number in (24, 25, 64, 65)] == [1, 1, 1, 0]
    assert "\nand 10 more; --format json has everything\n" in shown
    assert listed.count("- **loosened**: ") == 20
    assert "\n- and 5 more\n" in listed


def test_one_name_differs_and_two_differ():
    graph = spec("cifar-resnet20")
    names = [node.name for node in graph.nodes]
    for count, words in ((1, "1 name differs"), (2, "2 names differ")):
        other = rename_nodes(graph, [f"{name}_" if number < count else name for number, name in enumerate(names)],
                        [value.name for value in graph.outputs])  # fmt: skip
        one, two = Side("a", "spec", graph), Side("b", "spec", other)
        assert describe_network(NetworkReview("net", one, two, compare(graph, other))) == words


def test_a_report_has_the_headline_that_it_is_shown_with():
    found = report(spec("resnet18"), spec("resnet18", "head=none"))
    assert found.headline.startswith("head removed; ")


def test_another_order_of_outputs_is_told():
    graph = spec("resnet18", "outputs=[stage2,stage3]", "head=none")
    turned = replace(graph, outputs=graph.outputs[::-1])
    assert told(graph, turned) == ["outputs stage2, stage3 -> stage3, stage2"]
    called = rename_nodes(graph, [node.name for node in graph.nodes], ["stage3", "stage2"])
    assert told(graph, called) == []
    assert write_headline(report(graph, called)) == "the same architecture; 2 names differ"


def test_a_change_is_told_apart_from_what_follows_from_it():
    found = compare(spec("resnet18"), spec("resnet18", 'stages.overrides={"stage1.block1": {"block": "plain"}}'))
    kinds = {change.node.name: change.kind for change in found.changes}
    assert kinds == {"layer1.0.add": "removed", "layer1.0.relu2": "follows"} or set(kinds.values()) <= {
        "removed", "follows"
    }  # fmt: skip
    widths = compare(spec("resnet18"), spec("resnet18", "stem.width=32"))
    kinds = {change.node.name: change.kind for change in widths.changes}
    assert kinds["conv1"] == "changed"
    assert kinds["bn1"] == kinds["maxpool"] == kinds["layer1.0.conv1"] == "follows"


def test_a_slope_makes_a_difference_only_where_the_function_has_one():
    def same(function):
        return compare(*(flat([Conv(4, 1), Activation(function, slope)]) for slope in (0.01, 0.1))).same

    functions = get_args(Function)
    assert {function for function in functions if not same(function)} == {"leaky_relu", "elu"}


def flat(kinds):
    """A network whose names tell of no blocks."""
    net = Net(Value("input", (4, 8, 8)))
    x = net.input
    for number, op in enumerate(kinds):
        x = net.add(f"node_{number}", op, x)
    return net.graph("flat", [x])


def test_layers_without_telling_names_are_paired_by_what_they_do():
    conv, relu, norm = Conv(4, 3, padding=1), Activation("relu"), BatchNorm()
    before = flat([conv, norm, relu] * 20)
    after = flat([conv, norm, relu] * 9 + [Conv(4, 1), relu] + [conv, norm, relu] * 11)
    found = compare(before, after, files=True)
    assert [(change.kind, change.node.name) for change in found.changes] == [
        ("added", "node_27"),
        ("added", "node_28"),
    ]


def test_percentages_are_exact_to_the_digit_that_is_shown():
    assert format_percent(100, 105) == "+5.00 %"
    assert format_percent(1_000_000, 1_000_001) == "+<0.01 %"
    assert format_percent(1_000_000, 999_999) == "-<0.01 %"
    assert format_percent(0, 5) == format_percent(7, 7) == ""


HOSTILE = "@somebody `x` | </details><script>*a*_b_ #1 https://example.com [l](u) GH-1 ![i](u) deadbeef1234"


def test_names_are_only_text_in_markdown():
    shown = escape_markdown(HOSTILE)
    assert not set("`|<>*_#[]!@") & set(re.sub(r"&#\d+;", "", shown))
    entities = re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), shown)
    assert entities.replace("\u200b", "") == HOSTILE
    for linked in ("@somebody", "#1", "://", "GH-1", "deadbeef"):
        assert linked not in entities


def test_a_graph_with_hostile_names_breaks_out_of_nothing():
    graph = spec("cifar-resnet20")
    names = [f"{HOSTILE}{'`' * 3}\n{number}" for number in range(len(graph.nodes))]
    hostile = rename_nodes(graph, names, ["~~~\n```"])
    other = changed(hostile, 3, op=replace(hostile.nodes[3].op, bias=True))
    for page in (
        write_markdown(report(hostile, other, files=True, names=(HOSTILE, "```\n# b"))),
        write_markdown(report(graph, hostile, files=True, names=(HOSTILE, "b"))),
    ):
        outside = re.sub(r"^```\w+\n.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
        assert "`" not in outside
        assert outside.count("<details>") == outside.count("</details>") == page.count("\n</details>")
        assert re.findall(r"</?(?!details|summary|code)\w+", outside) == []
    assert all(line.isprintable() for line in write_text(report(hostile, other, files=True)).splitlines())


def test_a_comment_is_cut_before_github_would_refuse_it():
    def long(seed):
        net = Net(Value("input", (4, 8, 8)))
        x = net.input
        for number in range(3_000):
            conv = Conv(4 * (1 + (number * seed) % 97), 1)
            x = net.scope(f"stages.{number % 60}.{number // 60}").add("c" * 190 + str(number), conv, x)
        return net.graph("long", [x])

    before, after = long(5), long(7)
    named = rename_nodes(after, [f"{node.name}|" for node in after.nodes], ["out"])
    page = write_markdown(report(before, named, names=("@" * 5_000, "|" * 5_000)))
    assert len(page) < LIMIT
    assert page.count("<details>") == page.count("</details>") > 1
    assert page.count("```") % 2 == 0
    assert re.search(r"\nand [\d,]+ more\n", page)
    assert len(write_text(report(before, named)).splitlines()) < 500


@pytest.mark.parametrize("number", [1, 3, 4, 5, 9])
def test_a_headline_has_at_most_four_clauses_and_the_number_of_the_others(number, monkeypatch):
    found = report(spec("resnet18"), spec("resnet18", "activation=silu"))
    monkeypatch.setattr(summary, "list_clauses", lambda difference: [f"clause {n}" for n in range(number)])
    told = write_headline(found).split("; ")
    told = told[: told.index("params and MACs unchanged")]
    rest = [f"{number - 3} other kinds of change"] if number > 4 else []
    assert told == [f"clause {n}" for n in range(3 if rest else number)] + rest


@pytest.mark.parametrize("number", [1, 19, 20, 21, 40])
def test_twenty_looser_promises_of_a_network_are_shown_and_the_number_of_the_others(number):
    looser = tuple(KeyChange(("claims", f"[{n}]"), "x", None, True) for n in range(number))
    found = write_markdown(replace(report(spec("resnet18"), spec("resnet18")), terms=looser)).splitlines()
    assert sum(line.startswith("- **loosened**") for line in found) == min(number, 20)
    assert [line for line in found if line.endswith(" more")] == ([f"- and {number - 20} more"] if number > 20 else [])


def test_padding_that_goes_with_another_window_is_not_told_beside_it():
    assert told(spec("vgg11"), spec("vgg11", "stages.block={kind: conv, kernel: 5}")) == [
        "kernel 3 -> 5 in 8 convolutions"
    ]


@pytest.mark.parametrize("number", [1, 12, 13, 200, 201, 250])
@pytest.mark.parametrize(("sign", "most"), [("+", 200), ("=", 12)])
def test_so_many_layers_are_listed_and_the_rest_are_counted(number, sign, most, monkeypatch):
    found = [rows.LayerChangeRow(sign, f"layer {n} ", (f"name {n}",)) for n in range(number)]
    monkeypatch.setattr("resnet_gen.compare.formats.text.layer_rows", lambda difference: found)
    shown = write_text(report(spec("vgg11"), spec("vgg11", "activation=silu")))
    assert shown.count("  name ") == min(number, most)
    rest = [line for line in shown.splitlines() if line.startswith("and ")]
    assert rest == ([f"and {number - most} more; --format json has everything"] if number > most else [])


@pytest.mark.parametrize("number", range(1, 9))
def test_a_headline_names_some_keys_and_counts_the_others(number):
    changed = [KeyChange((f"key{n}",), 1, 2) for n in range(number)]
    (found,) = spec_terms.term_clauses(changed, layers=False, promises=False)
    names = [f"key{n}" for n in range(number)]
    shown = ", ".join(names) if number <= 4 else f"key0, key1, key2 and {number - 3} more keys"
    assert found == f"{shown} {'differ' if number > 1 else 'differs'}"


def test_attention_that_loses_a_function_and_changes_a_layer_is_not_another():
    before = spec("seresnet18")
    index, first = next((i, n) for i, n in enumerate(before.nodes) if n.name == "layer1.0.se.fc1")
    after = changed(before, index, op=replace(first.op, bias=False))
    function = next(node for node in before.nodes if node.name == "layer1.0.se.act")
    left = [node for node in after.nodes if node.name != function.name]
    after = rewire_graph(after, left, {function.output.name: function.inputs[0]})
    assert told(before, after) == [
        "bias yes -> no in layer1.0.se.fc1", "1 relu removed from attentions (layer1.0.se.act)",
    ]  # fmt: skip


def test_what_two_networks_that_are_not_each_others_promise_is_told_in_one_row():
    graph = spec("cifar-resnet20")
    promised = (KeyChange(("claims", "[layers]", "value"), 20, 21), KeyChange(("title",), "a", "b"))
    for shown in (write_text, write_markdown):
        found = shown(replace(report(graph, graph), terms=promised))
        assert "each its own" in found
        assert "claims[layers]" not in found


def test_a_block_of_one_layer_is_told_as_that_layer():
    before = spec("highway-a")
    (pool,) = (node for node in before.nodes if node.block == "stages.0.pool")
    after = rewire_graph(
        before, [node for node in before.nodes if node is not pool], {pool.output.name: pool.inputs[0]}
    )
    (row,) = (row for row in rows.layer_rows(compare(before, after)) if row.sign == "-")
    assert (row.what, row.names) == ("2x2 max pool, stride 2", (pool.name,))

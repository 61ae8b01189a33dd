"""Promises of every difference between two networks of the language."""

import json
from contextlib import suppress
from dataclasses import replace

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from resnet_gen.compare.difference.graphs import SUMMED, compare
from resnet_gen.compare.difference.sides import Side
from resnet_gen.compare.formats.data import collect_data
from resnet_gen.compare.formats.markdown import LIMIT, write_markdown
from resnet_gen.compare.formats.text import write_text
from resnet_gen.compare.report import Report
from resnet_gen.graph.counts import count
from resnet_gen.graph.matching import match
from resnet_gen.graph.rewiring import rewire_graph
from resnet_gen.ops import Activation, Add, BatchNorm, Concat, Conv, MaxPool, Mul
from resnet_gen.problems import Refused
from tests.properties.strategies import fitting
from tests.properties.test_specs import build, examples

EXAMPLES = settings(
    phases=[Phase.explicit, Phase.generate],
    max_examples=examples(20).max_examples,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def standardized(graph):
    return [node.op.standardize for node in graph.nodes if isinstance(node.op, Conv)]


def kept(before, after, files):
    """What holds of any two networks."""
    found = compare(before, after, files=files)
    alike = match(before, after).same and (files or standardized(before) == standardized(after))
    assert found.same == alike
    one, other = count(before), count(after)
    for name in SUMMED:
        total = sum(change.counts[name] for change in found.changes)
        assert total == getattr(other, name) - getattr(one, name)
    for graph, nodes in ((before, [c.before for c in found.changes]), (after, [c.after for c in found.changes])):
        named = [node.name for node in nodes if node] + [
            (a if graph is before else b).name
            for a, b in found.pairs
            if not any(c.before is a and c.after is b for c in found.changes)
        ]
        assert sorted(named) == sorted(node.name for node in graph.nodes), "each layer is told of once"
    report = Report(Side("a", "spec", before), Side("b", "spec", after), found)
    told = json.loads(json.dumps(collect_data(report)))
    assert told["same"] == found.same
    assert bool(told["summary"]) == (not found.same), "what differs is in the headline too"
    assert len(write_markdown(report)) < LIMIT
    assert write_text(report).startswith(f"a -> b: {told['headline']}\n")
    return found


@EXAMPLES
@given(fitting(simple=False), fitting(simple=False), st.data(), st.booleans())
def test_two_networks_differ_where_they_do_not_match_and_changes_add_up_to_the_counts(first, second, drawn, files):
    keys = drawn.draw(st.sets(st.sampled_from(sorted(second))))
    with suppress(Refused):
        before, after = build(first), build({**first, **{key: second[key] for key in keys}})
        kept(before, after, files)
        assert compare(before, before, files=files).same


def other_op(node):
    """An operation of the same shape that computes something else, None if there is none here."""
    match node.op:
        case BatchNorm(eps=eps):
            return BatchNorm(eps * 2)
        case Activation(function=function):
            return Activation("tanh" if function != "tanh" else "silu")
        case MaxPool(zeros=zeros, padding=padding) if padding:
            return replace(node.op, zeros=not zeros)
        case Conv(bias=bias):
            return replace(node.op, bias=not bias)
    return None


def mutated(graph, index, kind):
    """The graph with one node changed in a way that few counts show; None if it cannot be."""
    node = graph.nodes[index]
    nodes = list(graph.nodes)
    if kind == "setting" and (op := other_op(node)):
        nodes[index] = replace(node, op=op)
        return replace(graph, nodes=tuple(nodes))
    if kind == "operands" and isinstance(node.op, (Concat, Add, Mul)):
        same = [v for v in (graph.input, *(n.output for n in nodes[:index])) if v.shape == node.inputs[0].shape]
        nodes[index] = replace(node, inputs=(same[0], *node.inputs[1:]))
        return replace(graph, nodes=tuple(nodes))
    if kind == "swapped" and len(node.inputs) > 1 and len(set(node.input_shapes)) == 1:
        nodes[index] = replace(node, inputs=node.inputs[::-1])
        return replace(graph, nodes=tuple(nodes))
    if kind == "dropped" and node.shape == node.input_shapes[0] and node.output not in graph.outputs:
        return rewire_graph(graph, [n for n in nodes if n is not node], {node.output.name: node.inputs[0]})
    if kind == "outputs" and len(graph.outputs) > 1:
        return replace(graph, outputs=graph.outputs[::-1])
    return None


@EXAMPLES
@given(
    fitting(simple=False),
    st.integers(0, 10_000),
    st.sampled_from(["setting", "operands", "swapped", "dropped", "outputs"]),
    st.booleans(),
)
def test_what_counts_do_not_show_is_found(spec, place, kind, files):
    before = build(spec)
    tries = (mutated(before, (place + n) % len(before.nodes), kind) for n in range(len(before.nodes)))
    after = next((graph for graph in tries if graph), None)
    assume(after)
    kept(before, after, files)

"""Graphs as another tool might hand them over: under other names, in another order, folded, damaged."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import fields, replace

from resnet_gen.graph import Graph, Net, rename_nodes
from resnet_gen.infer.proof import live
from resnet_gen.ops import (
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    Mul,
    OneMinus,
    PadChannels,
    Softmax,
    Subsample,
)
from resnet_gen.problems import Refused
from resnet_gen.weights.folding import fold_batch_norm
from resnet_gen.weights.initialization import SeededWeights


def folded(graph: Graph) -> Graph:
    """The network with its batch norms folded."""
    return fold_batch_norm(graph, SeededWeights(graph, 0))[0]


def shuffled(graph: Graph, seed: int) -> Graph:
    """The same network: other names, another order, operands of sums exchanged."""
    draw = random.Random(seed)
    names = [f"n{i}" for i in range(len(graph.nodes))]
    draw.shuffle(names)
    graph = rename_nodes(graph, names, [v.name for v in graph.outputs])
    waiting, done, order = list(graph.nodes), {graph.input.name}, []
    while waiting:
        ready = [n for n in waiting[:200] if all(v.name in done for v in n.inputs)]
        node = draw.choice(ready)
        waiting.remove(node)
        done.add(node.output.name)
        turned = replace(node, inputs=node.inputs[::-1]) if isinstance(node.op, Add) else node
        order.append(replace(turned, path=node.name, role="main"))
    return replace(graph, nodes=tuple(order))


_OTHERS = [
    Activation("relu"), Add(), Mul(), GlobalAvgPool(), Flatten(), Conv(8, 3, 1, 1), MaxPool(2, 2), Softmax(),
    OneMinus(), BatchNorm(), AvgPool(2, 2), Subsample(2), PadChannels(64), Concat(),
]  # fmt: skip
_FUNCTIONS = ["relu", "sigmoid", "silu", "tanh", "gelu"]


def damaged(graph: Graph, draw: random.Random) -> Graph | None:
    """A graph with a few of its operations changed, moved, doubled, dropped; None if nothing is left of it."""
    rows = [(n.op, [v.name for v in n.inputs], n.output.name) for n in graph.nodes]
    for _ in range(draw.choice([1, 1, 1, 2, 5, 20])):
        if rows:
            draw.choice(_DAMAGES)(rows, draw.randrange(len(rows)), draw)
    net = Net(graph.input)
    values = {graph.input.name: net.input}
    for number, (op, inputs, name) in enumerate(rows):
        with suppress(Refused, KeyError, ValueError, ArithmeticError, IndexError, AttributeError):
            values[name] = net.add(f"n{number}", op, *(values[i] for i in inputs))
    made = [value for name, value in values.items() if name != graph.input.name]
    outputs = [values[value.name] for value in graph.outputs if value.name in values]
    if made and (not outputs or draw.random() < 0.2):
        outputs = draw.sample(made, min(len(made), draw.choice([1, 2, 3])))
    if not outputs:
        return None
    found = net.graph("damaged", outputs)
    return live(found) if draw.random() < 0.9 else found


def _setting(rows, i, draw):
    op, inputs, name = rows[i]
    if not fields(op):
        return
    setting = draw.choice(fields(op)).name
    value = getattr(op, setting)
    new = value
    if isinstance(value, bool):
        new = not value
    elif isinstance(value, int):
        new = draw.choice([0, 1, 2, 3, value + 1, value * 2, max(1, value - 1)])
    elif isinstance(value, float):
        new = value * draw.choice([0.5, 2, 1.1])
    elif isinstance(value, str):
        new = draw.choice(_FUNCTIONS)
    rows[i] = replace(op, **{setting: new}), inputs, name


def _operand(rows, i, draw):
    op, inputs, name = rows[i]
    place = draw.randrange(len(inputs))
    rows[i] = op, [draw.choice(rows[max(0, i - 8) : i + 1])[2] if p == place else x for p, x in enumerate(inputs)], name


def _operation(rows, i, draw):
    op = draw.choice([*_OTHERS, draw.choice(rows)[0]])
    inputs = rows[i][1] * (2 if isinstance(op, (Add, Mul, Concat)) and len(rows[i][1]) == 1 else 1)
    rows[i] = op, inputs, rows[i][2]


def _bypass(rows, i, draw):
    dropped, kept = rows[i][2], rows[i][1][0]
    rows[:] = [(op, [kept if x == dropped else x for x in inputs], name) for op, inputs, name in rows]


def _extra(rows, i, draw):
    rows.insert(i, (draw.choice(rows)[0], [rows[i][1][0]], f"extra{len(rows)}"))


def _stretch(rows, i, draw):
    until = min(len(rows), i + draw.randrange(1, 30))
    rows[i:until] = [] if draw.random() < 0.5 else rows[i:until] + rows[i:until]


_DAMAGES = [_setting, _setting, _operand, _operation, _bypass, _extra, _stretch]

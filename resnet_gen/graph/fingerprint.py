"""What tells two graphs apart, as hashes: of the whole, of each stage, of each block.

A hash is of what is built: the input, each operation with its settings, operands, role, names and weights, and what
comes out. It knows neither the network's name nor the file, the version or the machine that it comes from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from functools import lru_cache
from typing import Any, NamedTuple

from resnet_gen.graph import Graph, Node, Value
from resnet_gen.ops import Op, Tensor
from resnet_gen.system.digest import digest_text

FORM = "resnet-gen graph 1"
"""The first line of the text that is hashed; its number changes with the form of the text."""


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False)


class Fingerprint(NamedTuple):
    """SHA-256, in hex, of a graph, and of the operations of each of its stages and blocks, in order."""

    graph: str
    stages: dict[str, str]
    blocks: dict[str, str]


def fingerprint(graph: Graph) -> Fingerprint:
    """The hashes of a graph."""
    lines = [_format_node(node) for node in graph.nodes]
    ends = [
        _dump_json(_encode_value(graph.input)),
        *lines,
        _dump_json([_encode_value(value) for value in graph.outputs]),
    ]
    stages = _hash_groups(graph.nodes, lines, lambda node: node.stage)
    blocks = _hash_groups(graph.nodes, lines, lambda node: node.block)
    return Fingerprint(_hash([FORM, *ends]), stages, blocks)


def _hash_groups(nodes: Iterable[Node], lines: Iterable[str], group: Callable[[Node], str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for node, line in zip(nodes, lines, strict=True):
        found.setdefault(group(node), []).append(line)
    return {name: _hash(inside) for name, inside in found.items()}


def _format_node(node: Node) -> str:
    """One operation in its place, as one line of ASCII."""
    operands = [value.name for value in node.inputs]
    weights = [[node.weight_name(t.role), *_encode_tensor(t)] for t in node.tensors]
    return _dump_json([node.name, _encode_op(node.op), operands, _encode_value(node.output), node.role, weights])


def _encode_value(value: Value) -> list[Any]:
    return [value.name, _encode_setting(value.shape), value.dtype]


@lru_cache(maxsize=4096)
def _encode_op(op: Op) -> list[Any]:
    """An operation's class and settings.

    Those at their default are left out, so that a setting that a later version
    adds changes no hash; a default, once published, must therefore stay.
    """
    settings = {
        f.name: _encode_setting(getattr(op, f.name)) for f in fields(op) if getattr(op, f.name) != _default_value(f)
    }
    return [type(op).__name__, settings]


@lru_cache(maxsize=4096)
def _encode_tensor(tensor: Tensor) -> list[Any]:
    defaults = Tensor._field_defaults
    stated = {
        k: _encode_setting(v) for k, v in tensor._asdict().items() if k not in ("role", "shape") and v != defaults[k]
    }
    return [_encode_setting(tensor.shape), stated]


def _default_value(setting: Any) -> Any:
    return object() if setting.default is MISSING else setting.default


def _encode_setting(value: Any) -> Any:
    """A setting as JSON has it: equal ones alike, whether numbers are whole, NumPy's, or true and false."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return [_encode_setting(inner) for inner in value]
    number = float(value)
    return int(value) if number.is_integer() else number


def _dump_json(data: Any) -> str:
    return _ENCODER.encode(data)


def _hash(lines: Iterable[str]) -> str:
    return digest_text("\n".join(lines))

"""Nodes that are no operators of ONNX's own: those of other domains, and functions that the file defines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import onnx
from onnx import FunctionProto, NodeProto

from resnet_gen.problems import shorten

OWN = ("", "ai.onnx")
"""The two names of the domain of ONNX's own operators."""


class FileFunctions:
    """The functions of a file, which nodes call by a domain and a name: all overloads of it count as one."""

    def __init__(self, functions: Iterable[FunctionProto]) -> None:
        self._functions: dict[str, list[FunctionProto]] = {}
        self._hashes: dict[str, bytes] = {}
        for function in functions:
            self._functions.setdefault(_join_name(function.domain, function.name), []).append(function)

    def explain_dispute(self, node: NodeProto) -> str | None:
        """Why nobody knows what a node computes: ONNX leaves to a runtime which of two of one name counts."""
        called = full_name(node)
        if node.domain not in OWN or called not in self._functions or not onnx.defs.has(node.op_type):
            return None
        both = f"the file has a function '{shorten(called)}', and ONNX an operator"
        return f"{both}: which of them counts is a runtime's choice"

    def explain_foreign(self, node: NodeProto) -> str | None:
        """Why a node is no operator of ONNX's own; None for one that is."""
        called = full_name(node)
        if called in self._functions:
            return f"the function '{shorten(called)}' of the file"
        return None if node.domain in OWN else f"an operator of the domain '{shorten(node.domain)}'"

    def operator_name(self, node: NodeProto) -> str:
        """The operator of a node; of one that is none of ONNX's own, with its domain and overload."""
        if self.explain_foreign(node) is None:
            return node.op_type
        return full_name(node) + (f":{node.overload}" if node.overload else "")

    def format_functions(self, node: NodeProto) -> str:
        """The functions that a node calls, also out of graphs in its attributes, as a hash; empty without any."""
        found = b"".join(map(self._hash, self._callees([node])))
        return f"functions={hashlib.blake2b(found, digest_size=8).hexdigest()}" if found else ""

    def _callees(self, nodes: Iterable[NodeProto]) -> list[str]:
        """The names of the functions that nodes call, in the order of the calls."""
        return (
            [name for name in map(full_name, _walk_nodes(nodes)) if name in self._functions] if self._functions else []
        )

    def _hash(self, name: str) -> bytes:
        """A hash of all overloads of a function, with the functions that they call."""
        if name not in self._hashes:
            self._hashes[name] = b""  # of one that calls itself, which is no function
            of = hashlib.blake2b(digest_size=16)
            for function in self._functions[name]:
                of.update(function.SerializeToString(deterministic=True))
                of.update(b"".join(map(self._hash, self._callees(function.node))))
            self._hashes[name] = of.digest()
        return self._hashes[name]


def full_name(node: NodeProto) -> str:
    """The name of what a node calls, with its domain."""
    return _join_name(node.domain, node.op_type)


def _join_name(domain: str, name: str) -> str:
    return f"{'ai.onnx' if domain in OWN else domain}::{name}"


def _walk_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Nodes, and those of the graphs in their attributes."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from _walk_nodes(inner for graph in (attribute.g, *attribute.graphs) for inner in graph.node)

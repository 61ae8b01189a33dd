"""Elementwise functions in a normal form, by which two spellings of one function are distinguished from two functions.

A form is a sum of products of atoms: `x`; `relu(x - b)`, of which every function
of straight pieces is a sum; and functions of forms in turn, which are of no
such pieces. Sums and products are multiplied out exactly, so functions of
one form are equal for every number, and nothing can hide between numbers that
somebody happened to look at. A function that is none of these has no form.
"""

from __future__ import annotations

import math

from resnet_gen.onnx.reading.elementwise_forms import RULES
from resnet_gen.onnx.reading.sums_of_products import (
    MOST_TERMS,
    Atom,
    ExpressionTree,
    Form,
    NoFormError,
    X,
    add,
    constant,
    drop_falling_sigmoid,
    function_of,
    multiply,
)

_LARGEST_FLOAT16 = 65504.0
"""The largest number of float16: a corner beyond is there to keep to the type."""


def find_form(tree: ExpressionTree) -> Form:
    """The form of a function; raises `NoFormError`."""
    return add(*(drop_falling_sigmoid(product, factor) for product, factor in _build_form(tree).items()))


def _build_form(tree: ExpressionTree) -> Form:
    if tree is None:
        return {(X,): 1.0}
    if isinstance(tree, float):
        return constant(tree)
    op_type, settings, *operands = tree
    rule = RULES.get(op_type)
    if rule is None:
        raise NoFormError(op_type)
    found = rule(*map(_build_form, operands), **dict(settings))
    if len(found) > MOST_TERMS or not all(map(math.isfinite, found.values())):
        raise NoFormError(op_type)
    return found


def drop_outer_corners(of: Form) -> tuple[Form, float]:
    """The form between the corners that are there to keep to a type, and how far out the first of those is."""
    found: list[Form] = []
    limit = math.inf
    for product, factor in of.items():
        term: Form = constant(factor)
        for atom in product:
            inner, reach = _drop_atom_corners(atom)
            term, limit = multiply(term, inner), min(limit, reach)
        found.append(term)
    return add(*found), limit


def _drop_atom_corners(atom: Atom) -> tuple[Form, float]:
    if atom[0] == "x":
        return {(atom,): 1.0}, math.inf
    if atom[0] != "relu":
        inner, limit = drop_outer_corners(dict(atom[1]))
        return function_of(atom[0], inner), limit
    corner = atom[1]
    if abs(corner) < _LARGEST_FLOAT16:
        return {(atom,): 1.0}, math.inf
    return {} if corner > 0 else add({(X,): 1.0}, constant(-corner)), abs(corner)


def find_slope(found: Form, function: str) -> float:
    """The slope of leaky ReLU or the alpha of ELU, if a form is one; else any number."""
    if function == "leaky_relu":
        return found.get((X,), 0.0)
    return next((factor for product, factor in found.items() if product and product[0][0] == "exp"), 0.0)

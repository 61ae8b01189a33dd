"""Sums of products of atoms, in which elementwise functions are told apart: added, multiplied, compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

ExpressionTree: TypeAlias = "tuple[Any, ...] | float | None"
"""(operator, settings, operands...); a number; or None, the activation itself."""
Atom: TypeAlias = "tuple[Any, ...]"
"""("x",), ("relu", b), or a name with a form."""
Product: TypeAlias = tuple[Atom, ...]
"""Atoms in order; none is the number 1."""
Form: TypeAlias = Mapping[Product, float]

MOST_TERMS, _MOST_FACTORS = 64, 6
EXACT, ROUNDED = 1e-6, 1.5e-4
"""What rounding may change a number by, over it: one that float16 holds too, and another, written with few digits."""
X: Atom = ("x",)


class NoFormError(Exception):
    """A function that has no form."""


def atom_of(name: str, of: Form) -> Atom:
    """A function of a form, by its name."""
    return name, tuple(sorted(of.items(), key=repr))


def function_of(name: str, of: Form) -> Form:
    """The same as a form."""
    return {(atom_of(name, of),): 1.0}


exponential, sigmoid = partial(function_of, "exp"), partial(function_of, "sigmoid")


def constant(value: float) -> Form:
    """A number as a form."""
    return {(): value} if value else {}


def add(*forms: Form) -> Form:
    """The sum of forms."""
    found: dict[Product, float] = {}
    for one in forms:
        for product, factor in one.items():
            found[product] = found.get(product, 0.0) + factor
    return {product: factor for product, factor in found.items() if factor}


def scale(number: float, of: Form) -> Form:
    """A number times a form."""
    return {product: number * factor for product, factor in of.items() if number * factor}


def multiply(first: Form, second: Form) -> Form:
    """The product of two forms; raises `NoFormError` for one of too many terms."""
    if len(first) * len(second) > MOST_TERMS:
        raise NoFormError("a product of too many terms")
    return add(*(scale(m * n, _join_atoms(p, q)) for p, m in first.items() for q, n in second.items()))


def _join_atoms(first: Product, second: Product) -> Form:
    """A product of atoms; e^u times the sigmoid of -u is the sigmoid of u."""
    atoms = sorted((*first, *second), key=repr)
    if len(atoms) > _MOST_FACTORS:
        raise NoFormError("a product of too many factors")
    for power in (atom for atom in atoms if atom[0] == "exp"):
        falling = atom_of("sigmoid", scale(-1.0, dict(power[1])))
        if falling in atoms:
            atoms.remove(power)
            atoms[atoms.index(falling)] = atom_of("sigmoid", dict(power[1]))
            return {tuple(sorted(atoms, key=repr)): 1.0}
    return {tuple(atoms): 1.0}


def drop_falling_sigmoid(product: Product, factor: float) -> Form:
    """A product with no sigmoid of -u, which is 1 less that of u."""
    for place, atom in enumerate(product):
        if atom[0] == "sigmoid" and atom[1] and atom[1][0][1] < 0:
            rest = (*product[:place], *product[place + 1 :])
            rising = add(constant(1.0), scale(-1.0, sigmoid(scale(-1.0, dict(atom[1])))))
            return multiply({rest: factor}, rising)
    return {product: factor}


def number_of(of: Form) -> float:
    """The number that a form is; raises `NoFormError`."""
    if of.keys() - {()}:
        raise NoFormError("no number")
    return of.get((), 0.0)


def raise_to(base: Form, exponent: Form) -> Form:
    """A form to a power that is a whole number, or -1; raises `NoFormError` for others."""
    n = number_of(exponent)
    if n == -1:
        return invert(base)
    if not (n.is_integer() and 1 <= n <= _MOST_FACTORS):
        raise NoFormError("a power")
    found = base
    for _ in range(int(n) - 1):
        found = multiply(found, base)
    return found


def invert(of: Form) -> Form:
    """Of a number, or of k + k e^u, which is the sigmoid of -u over k."""
    if not of.keys() - {()}:
        return constant(1 / number_of(of)) if of else constant(math.inf)
    one, power = of.get((), 0.0), [(p[0], k) for p, k in of.items() if len(p) == 1 and p[0][0] == "exp"]
    if len(of) != 2 or not power or power[0][1] != one:
        raise NoFormError("a reciprocal")
    return scale(1 / one, sigmoid(scale(-1.0, dict(power[0][0][1]))))


def are_alike(found: Form, wanted: Form, rounded: float = ROUNDED) -> bool:
    """Whether two forms are of one function, but for the rounding of its numbers."""
    if len(found) != len(wanted):
        return False
    left = list(wanted.items())
    for product, factor in found.items():
        same = (t for t in left if _is_near(factor, t[1], rounded) and _same_product(product, t[0], rounded))
        one = next(same, None)
        if one is None:
            return False
        left.remove(one)
    return True


def _is_near(number: float, wanted: float, rounded: float) -> bool:
    explained = EXACT if (wanted * 1024).is_integer() else rounded
    return abs(number - wanted) <= explained * abs(wanted)


def _same_product(found: Product, wanted: Product, rounded: float) -> bool:
    return len(found) == len(wanted) and all(_same_atom(*pair, rounded) for pair in zip(found, wanted, strict=True))


def _same_atom(found: Atom, wanted: Atom, rounded: float) -> bool:
    if found[0] != wanted[0]:
        return False
    if found[0] == "relu":
        here, there = float(found[1]), float(wanted[1])
        return abs(here - there) <= rounded * abs(there)
    return len(found) == 1 or are_alike(dict(found[1]), dict(wanted[1]), rounded)

"""Elementwise functions in a normal form, by which two spellings of one function are told from two functions.

A form is a sum of products of atoms: `x`; `relu(x - b)`, of which every function
of straight pieces is a sum; and functions of forms in turn, which are of no
such pieces. Sums and products are multiplied out exactly, so functions of
one form are equal for every number, and nothing can hide between numbers that
somebody happened to look at. A function that is none of these has no form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, TypeAlias

Tree: TypeAlias = "tuple[Any, ...] | float | None"
"""(operator, settings, operands...); a number; or None, the activation itself."""
Atom: TypeAlias = "tuple[Any, ...]"
"""("x",), ("relu", b), or a function of the next two lines with a form."""
Product: TypeAlias = tuple[Atom, ...]
"""Atoms in order; none is the number 1."""
Form: TypeAlias = Mapping[Product, float]

_MOST_TERMS, _MOST_FACTORS = 64, 6
EXACT, ROUNDED = 1e-6, 1.5e-4
"""What rounding may change a number by, over it: one that float16 holds too, and another, written with few digits."""
_HELD = 65504.0
"""The largest number of float16: a corner beyond is there to keep to the type."""
_X: Atom = ("x",)


class NoFormError(Exception):
    """A function that has no form."""


def form(tree: Tree) -> Form:
    """The form of a function; raises `NoFormError`."""
    return _sum(*(_upright(product, factor) for product, factor in _form(tree).items()))


def _form(tree: Tree) -> Form:
    if tree is None:
        return {(_X,): 1.0}
    if isinstance(tree, float):
        return _number(tree)
    op_type, settings, *operands = tree
    rule = _RULES.get(op_type)
    if rule is None:
        raise NoFormError(op_type)
    found = rule(*map(_form, operands), **dict(settings))
    if len(found) > _MOST_TERMS or not all(map(math.isfinite, found.values())):
        raise NoFormError(op_type)
    return found


def within(of: Form) -> tuple[Form, float]:
    """The form between the corners that are there to keep to a type, and how far out the first of those is."""
    found: list[Form] = []
    limit = math.inf
    for product, factor in of.items():
        term: Form = _number(factor)
        for atom in product:
            inner, reach = _within_atom(atom)
            term, limit = _product(term, inner), min(limit, reach)
        found.append(term)
    return _sum(*found), limit


def _within_atom(atom: Atom) -> tuple[Form, float]:
    if atom[0] == "x":
        return {(atom,): 1.0}, math.inf
    if atom[0] != "relu":
        inner, limit = within(dict(atom[1]))
        return {(_function(atom[0], inner),): 1.0}, limit
    corner = atom[1]
    if abs(corner) < _HELD:
        return {(atom,): 1.0}, math.inf
    return {} if corner > 0 else _sum({(_X,): 1.0}, _number(-corner)), abs(corner)


def alike(found: Form, wanted: Form, rounded: float = ROUNDED) -> bool:
    """Whether two forms are of one function, but for the rounding of its numbers."""
    if len(found) != len(wanted):
        return False
    left = list(wanted.items())
    for product, factor in found.items():
        same = (t for t in left if _near(factor, t[1], rounded) and _same_product(product, t[0], rounded))
        one = next(same, None)
        if one is None:
            return False
        left.remove(one)
    return True


def slope(found: Form, function: str) -> float:
    """The slope of leaky ReLU or the alpha of ELU, if a form is one; else any number."""
    if function == "leaky_relu":
        return found.get((_X,), 0.0)
    return next((factor for product, factor in found.items() if product and product[0][0] == "exp"), 0.0)


def _near(number: float, wanted: float, rounded: float) -> bool:
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
    return len(found) == 1 or alike(dict(found[1]), dict(wanted[1]), rounded)


# --- sums and products ------------------------------------------------------------


def _number(value: float) -> Form:
    return {(): value} if value else {}


def _sum(*forms: Form) -> Form:
    found: dict[Product, float] = {}
    for one in forms:
        for product, factor in one.items():
            found[product] = found.get(product, 0.0) + factor
    return {product: factor for product, factor in found.items() if factor}


def _times(number: float, of: Form) -> Form:
    return {product: number * factor for product, factor in of.items() if number * factor}


def _product(first: Form, second: Form) -> Form:
    if len(first) * len(second) > _MOST_TERMS:
        raise NoFormError("a product of too many terms")
    return _sum(*(_times(m * n, _joined(p, q)) for p, m in first.items() for q, n in second.items()))


def _joined(first: Product, second: Product) -> Form:
    """A product of atoms; e^u times the sigmoid of -u is the sigmoid of u."""
    atoms = sorted((*first, *second), key=repr)
    if len(atoms) > _MOST_FACTORS:
        raise NoFormError("a product of too many factors")
    for power in (atom for atom in atoms if atom[0] == "exp"):
        falling = _function("sigmoid", _times(-1.0, dict(power[1])))
        if falling in atoms:
            atoms.remove(power)
            atoms[atoms.index(falling)] = _function("sigmoid", dict(power[1]))
            return {tuple(sorted(atoms, key=repr)): 1.0}
    return {tuple(atoms): 1.0}


def _upright(product: Product, factor: float) -> Form:
    """A product with no sigmoid of -u, which is 1 less that of u."""
    for place, atom in enumerate(product):
        if atom[0] == "sigmoid" and atom[1] and atom[1][0][1] < 0:
            rest = (*product[:place], *product[place + 1 :])
            rising = _sum(_number(1.0), _times(-1.0, _sigmoid(_times(-1.0, dict(atom[1])))))
            return _product({rest: factor}, rising)
    return {product: factor}


def _constant(of: Form) -> float:
    """The number that a form is; raises `NoFormError`."""
    if of.keys() - {()}:
        raise NoFormError("no number")
    return of.get((), 0.0)


def _power(base: Form, exponent: Form) -> Form:
    n = _constant(exponent)
    if n == -1:
        return _reciprocal(base)
    if not (n.is_integer() and 1 <= n <= _MOST_FACTORS):
        raise NoFormError("a power")
    found = base
    for _ in range(int(n) - 1):
        found = _product(found, base)
    return found


def _reciprocal(of: Form) -> Form:
    """Of a number, or of k + k e^u, which is the sigmoid of -u over k."""
    if not of.keys() - {()}:
        return _number(1 / _constant(of)) if of else _number(math.inf)
    one, power = of.get((), 0.0), [(p[0], k) for p, k in of.items() if len(p) == 1 and p[0][0] == "exp"]
    if len(of) != 2 or not power or power[0][1] != one:
        raise NoFormError("a reciprocal")
    return _times(1 / one, _sigmoid(_times(-1.0, dict(power[0][0][1]))))


# --- functions of straight pieces -------------------------------------------------


def _maximum(first: Form, second: Form) -> Form:
    """Of two functions of straight pieces; or of zero and k e^x - k, where the maximum or minimum is x's."""
    if _straight(first) and _straight(second):
        return _upper(first, second)
    curved, other = (second, first) if _straight(first) else (first, second)
    power = next((product for product in curved if len(product) == 1 and product[0][0] == "exp"), None)
    if other or power is None or len(curved) != 2 or curved.get((), 0.0) != -curved[power]:
        raise NoFormError("a maximum")
    inner = dict(power[0][1])
    pick = _maximum if curved[power] > 0 else _minimum
    return _sum(_times(curved[power], _exp(pick(inner, {}))), _number(curved[()]))


def _minimum(first: Form, second: Form) -> Form:
    return _times(-1.0, _maximum(_times(-1.0, first), _times(-1.0, second)))


def _straight(of: Form) -> bool:
    return all(not product or (len(product) == 1 and product[0][0] in ("x", "relu")) for product in of)


def _upper(first: Form, second: Form) -> Form:
    """The larger of two functions of straight pieces, piece by piece."""
    corners = sorted({product[0][1] for one in (first, second) for product in one if product and len(product[0]) > 1})
    pieces = [-math.inf, *corners, math.inf]
    crossings = [_crossing(first, second, *ends) for ends in pairwise(pieces)]
    corners = sorted({*corners, *(x for x in crossings if x is not None)})
    if not corners:
        return first if _value(first, 0.0) >= _value(second, 0.0) else second
    middles = [_between(a, b) for a, b in pairwise((-math.inf, *corners, math.inf))]
    chosen = [first if _value(first, x) >= _value(second, x) else second for x in middles]
    lines = [_line(one, x) for one, x in zip(chosen, middles, strict=True)]
    found: dict[Product, float] = {(_X,): lines[0][0], (): lines[0][1]}
    for corner, (before, after) in zip(corners, pairwise(lines), strict=True):
        found[(("relu", corner),)] = after[0] - before[0]
    least = 1e-9 * max(1e-30, *(abs(slope) for slope, _ in lines))
    return {product: factor for product, factor in found.items() if abs(factor) > (least if product else 0.0)}


def _between(start: float, stop: float) -> float:
    """A number between two, of which either may be infinite."""
    if math.isinf(start):
        return 0.0 if math.isinf(stop) else stop - 1 - abs(stop)
    return start + 1 + abs(start) if math.isinf(stop) else (start + stop) / 2


def _line(of: Form, x: float) -> tuple[float, float]:
    """The slope and the value at zero of the straight piece that holds x."""
    rise, start = of.get((_X,), 0.0), of.get((), 0.0)
    for product, factor in of.items():
        if product and product[0][0] == "relu" and product[0][1] < x:
            rise, start = rise + factor, start - factor * product[0][1]
    return rise, start


def _value(of: Form, x: float) -> float:
    rise, start = _line(of, x)
    return rise * x + start


def _crossing(first: Form, second: Form, start: float, stop: float) -> float | None:
    """Where two functions cross between two corners."""
    inside = _between(start, stop)
    (a, b), (c, d) = _line(first, inside), _line(second, inside)
    if a == c:
        return None
    found = (d - b) / (a - c)
    return found if start < found < stop else None


def _clip(of: Form, least: float = -math.inf, most: float = math.inf) -> Form:
    found = of if least == -math.inf else _maximum(of, _number(least))
    return found if most == math.inf else _minimum(found, _number(most))


def _leaky(of: Form, slope: Form) -> Form:
    return _sum(_maximum(of, {}), _product(slope, _minimum(of, {})))


# --- other functions --------------------------------------------------------------


def _function(name: str, of: Form) -> Atom:
    return name, tuple(sorted(of.items(), key=repr))


def _exp(of: Form) -> Form:
    return {(_function("exp", of),): 1.0}


def _sigmoid(of: Form) -> Form:
    return {(_function("sigmoid", of),): 1.0}


def _tanh(of: Form) -> Form:
    return _sum(_times(2.0, _sigmoid(_times(2.0, of))), _number(-1.0))


def _softplus(of: Form) -> Form:
    return {(_function("softplus", of),): 1.0}


def _log(of: Form) -> Form:
    """Of 1 + e^u."""
    power = next((product[0] for product in of if len(product) == 1 and product[0][0] == "exp"), None)
    if power is None or len(of) != 2 or of.get(()) != 1.0 or of[(power,)] != 1.0:
        raise NoFormError("a logarithm")
    return _softplus(dict(power[1]))


def _erf(of: Form) -> Form:
    return {(_function("erf", of),): 1.0}


def _gelu(of: Form, approximate: str = "none") -> Form:
    if approximate == "tanh":
        inner = _times(math.sqrt(2 / math.pi), _sum(of, _times(0.044715, _power(of, _number(3.0)))))
        return _times(0.5, _product(of, _sum(_number(1.0), _tanh(inner))))
    return _times(0.5, _product(of, _sum(_number(1.0), _erf(_times(math.sqrt(0.5), of)))))


def _elu(of: Form, alpha: float = 1.0) -> Form:
    falling = _sum(_exp(_minimum(of, {})), _number(-1.0))
    return _sum(_maximum(of, {}), _times(alpha, falling))


def _hard_sigmoid(of: Form, alpha: float = 1 / 6, beta: float = 0.5) -> Form:
    return _clip(_sum(_times(alpha, of), _number(beta)), 0.0, 1.0)


COMPARISONS = {"Greater": 1.0, "GreaterOrEqual": 1.0, "Less": -1.0, "LessOrEqual": -1.0}
"""Operators that ask which of two is larger: 1 where the first has to be."""


def _comparison(sign: float) -> Callable[[Form, Form], Form]:
    return lambda u, v: {(_function("above", _times(sign, _sum(u, _times(-1.0, v)))),): 1.0}


def _where(asked: Form, yes: Form, no: Form) -> Form:
    """One function where u is above zero, else another, where they meet at zero: the second and k times ReLU of u."""
    (product, factor), *more = asked.items()
    if more or factor != 1.0 or len(product) != 1 or product[0][0] != "above":
        raise NoFormError("a choice")
    of, apart = dict(product[0][1]), _sum(yes, _times(-1.0, no))
    if not apart:
        return no
    steepness = next((apart.get(key, 0.0) / value for key, value in of.items() if key), 0.0)
    if not alike(_times(steepness, of), apart, EXACT):
        raise NoFormError("two functions that do not meet")
    return _sum(no, _times(steepness, _maximum(of, {})))


def _thresholded(of: Form, alpha: float = 1.0) -> Form:
    if alpha:
        raise NoFormError("a step")
    return _maximum(of, {})


_RULES: dict[str, Callable[..., Form]] = {
    **{name: _comparison(sign) for name, sign in COMPARISONS.items()},
    "Abs": lambda u: _maximum(u, _times(-1.0, u)),
    "Add": _sum,
    "Clip": _clip,
    "Div": lambda u, v: _product(u, _reciprocal(v)),
    "Elu": _elu,
    "Erf": _erf,
    "Exp": _exp,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda u: _product(u, _hard_sigmoid(u)),
    "LeakyRelu": lambda u, alpha=0.01: _leaky(u, _number(alpha)),
    "Log": _log,
    "Max": _maximum,
    "Min": _minimum,
    "Mish": lambda u: _product(u, _tanh(_softplus(u))),
    "Mul": _product,
    "Neg": lambda u: _times(-1.0, u),
    "PRelu": _leaky,
    "Pow": _power,
    "Reciprocal": _reciprocal,
    "Relu": lambda u: _maximum(u, {}),
    "Sigmoid": _sigmoid,
    "Softplus": _softplus,
    "Sub": lambda u, v: _sum(u, _times(-1.0, v)),
    "Swish": lambda u, alpha=1.0: _product(u, _sigmoid(_times(alpha, u))),
    "Tanh": _tanh,
    "ThresholdedRelu": _thresholded,
    "Where": _where,
}
"""The form of what each elementwise operator of ONNX makes of forms; square roots and others have none."""

"""Functions of straight pieces, as sums of `x` and `relu(x - b)`: the larger of two, piece by piece."""

from __future__ import annotations

import math
from itertools import pairwise

from resnet_gen.onnx.reading.sums_of_products import (
    Form,
    NoFormError,
    Product,
    X,
    add,
    constant,
    exponential,
    multiply,
    scale,
)


def maximum(first: Form, second: Form) -> Form:
    """Of two functions of straight pieces; or of zero and k e^x - k, where the maximum or minimum is x's."""
    if _is_straight(first) and _is_straight(second):
        return _find_upper(first, second)
    curved, other = (second, first) if _is_straight(first) else (first, second)
    power = next((product for product in curved if len(product) == 1 and product[0][0] == "exp"), None)
    if other or power is None or len(curved) != 2 or curved.get((), 0.0) != -curved[power]:
        raise NoFormError("a maximum")
    inner = dict(power[0][1])
    pick = maximum if curved[power] > 0 else minimum
    return add(scale(curved[power], exponential(pick(inner, {}))), constant(curved[()]))


def minimum(first: Form, second: Form) -> Form:
    """The same of the smaller."""
    return scale(-1.0, maximum(scale(-1.0, first), scale(-1.0, second)))


def _is_straight(of: Form) -> bool:
    return all(not product or (len(product) == 1 and product[0][0] in ("x", "relu")) for product in of)


def _find_upper(first: Form, second: Form) -> Form:
    """The larger of two functions of straight pieces, piece by piece."""
    corners = sorted({product[0][1] for one in (first, second) for product in one if product and len(product[0]) > 1})
    pieces = [-math.inf, *corners, math.inf]
    crossings = [_find_crossing(first, second, *ends) for ends in pairwise(pieces)]
    corners = sorted({*corners, *(x for x in crossings if x is not None)})
    if not corners:
        return first if _evaluate_at(first, 0.0) >= _evaluate_at(second, 0.0) else second
    middles = [_pick_between(a, b) for a, b in pairwise((-math.inf, *corners, math.inf))]
    chosen = [first if _evaluate_at(first, x) >= _evaluate_at(second, x) else second for x in middles]
    lines = [_line_at(one, x) for one, x in zip(chosen, middles, strict=True)]
    found: dict[Product, float] = {(X,): lines[0][0], (): lines[0][1]}
    for corner, (before, after) in zip(corners, pairwise(lines), strict=True):
        found[(("relu", corner),)] = after[0] - before[0]
    least = 1e-9 * max(1e-30, *(abs(slope) for slope, _ in lines))
    return {product: factor for product, factor in found.items() if abs(factor) > (least if product else 0.0)}


def _pick_between(start: float, stop: float) -> float:
    """A number between two, of which either may be infinite."""
    if math.isinf(start):
        return 0.0 if math.isinf(stop) else stop - 1 - abs(stop)
    return start + 1 + abs(start) if math.isinf(stop) else (start + stop) / 2


def _line_at(of: Form, x: float) -> tuple[float, float]:
    """The slope and the value at zero of the straight piece that holds x."""
    rise, start = of.get((X,), 0.0), of.get((), 0.0)
    for product, factor in of.items():
        if product and product[0][0] == "relu" and product[0][1] < x:
            rise, start = rise + factor, start - factor * product[0][1]
    return rise, start


def _evaluate_at(of: Form, x: float) -> float:
    rise, start = _line_at(of, x)
    return rise * x + start


def _find_crossing(first: Form, second: Form, start: float, stop: float) -> float | None:
    """Where two functions cross between two corners."""
    inside = _pick_between(start, stop)
    (a, b), (c, d) = _line_at(first, inside), _line_at(second, inside)
    if a == c:
        return None
    found = (d - b) / (a - c)
    return found if start < found < stop else None


def clip(of: Form, least: float = -math.inf, most: float = math.inf) -> Form:
    """A form between two numbers."""
    found = of if least == -math.inf else maximum(of, constant(least))
    return found if most == math.inf else minimum(found, constant(most))


def apply_leak(of: Form, slope: Form) -> Form:
    """A form where it is above zero, else times a slope."""
    return add(maximum(of, {}), multiply(slope, minimum(of, {})))

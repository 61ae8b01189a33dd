"""Elementwise functions of ONNX: what they compute, and which activation of ours a tree of them is.

A tree is known by its form, which is that of every spelling of a function and of
no other function. In float32 a spelling may still overflow, or keep to what
half precision holds: how far out it is what it says is found by computing it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from resnet_gen.onnx.reading.normal_forms import drop_outer_corners, find_form, find_slope
from resnet_gen.onnx.reading.sums_of_products import EXACT, ExpressionTree, Form, NoFormError, are_alike
from resnet_gen.ops import Activation, Function

Points: TypeAlias = npt.NDArray[Any]

_SIDE = np.ldexp(np.asarray([1.0, 1.33, 1.71]), np.arange(-149, 128)[:, None]).ravel()
_POINTS = np.concatenate([[0.0], _SIDE, -_SIDE]).astype(np.float32).astype(np.float64)
"""Numbers of each size that float32 has."""
_FEW = np.asarray([0.5, 1.33, 20.0])
"""Numbers by which most functions are distinguished from all activations."""
_NOISE, _ALIKE = 1e-5, 2e-3
"""What float32 may change, and what numbers rounded to half precision may, over the larger of 1 and the result."""
_LARGEST = 3.4e38
"""The largest number of float32, nearly."""
_LEAST_REACH = 40.0
"""Exponentials squared overflow beyond 44."""

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Points) -> Points:
    return np.asarray(1 / (1 + np.exp(-x)))


def _softplus(x: Points) -> Points:
    return np.asarray(np.logaddexp(0, x))


def _hard_sigmoid(x: Points, alpha: float = 1 / 6, beta: float = 0.5) -> Points:
    return np.asarray(np.clip(alpha * x + beta, 0, 1))


def _gelu(x: Points, approximate: str = "none") -> Points:
    if approximate == "tanh":
        return np.asarray(x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2)
    return np.asarray(x * (1 + _erf(x * math.sqrt(0.5))) / 2)


def _where(asked: Points, yes: Points, no: Points) -> Points:
    return np.asarray(np.where(asked > 0, yes, no))


FUNCTIONS: dict[str, Callable[..., Points]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Clip": lambda x, least=-np.inf, most=np.inf: np.minimum(np.maximum(x, least), most),
    "Div": np.divide,
    "Elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "Erf": _erf,
    "Exp": np.exp,
    "Gelu": _gelu,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda x: x * _hard_sigmoid(x),
    "LeakyRelu": lambda x, alpha=0.01: np.where(x > 0, x, alpha * x),
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Log": np.log,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mish": lambda x: x * np.tanh(_softplus(x)),
    "Mul": np.multiply,
    "Neg": np.negative,
    "PRelu": lambda x, slope: np.where(x > 0, x, slope * x),
    "Pow": np.power,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": _sigmoid,
    "Softplus": _softplus,
    "Sub": np.subtract,
    "Swish": lambda x, alpha=1.0: x * _sigmoid(alpha * x),
    "Tanh": np.tanh,
    "ThresholdedRelu": lambda x, alpha=1.0: np.where(x > alpha, x, 0),
    "Where": _where,
}
"""What each elementwise operator of ONNX computes."""

_OPERATORS: dict[Function, str] = {
    "relu": "Relu", "leaky_relu": "LeakyRelu", "elu": "Elu", "silu": "Swish", "gelu": "Gelu", "mish": "Mish",
    "hard_swish": "HardSwish", "sigmoid": "Sigmoid", "hard_sigmoid": "HardSigmoid", "tanh": "Tanh",
}  # fmt: skip
SLOPED: dict[str, Function] = {"LeakyRelu": "leaky_relu", "Elu": "elu"}
"""The operators that are an activation of ours with a slope of their own, their attribute `alpha`."""

_HALF_ROOTS = (math.sqrt(0.5), 0.70703125, 1 / 1.4140625)
_SIXTHS = (1 / 6, 0.1666259765625, 0.1669921875)
"""The root of a half and a sixth, exactly and as half precision has them and the root of 2."""
_SPELLINGS: dict[Function, list[ExpressionTree]] = {
    **{function: [(op_type, (), None)] for function, op_type in _OPERATORS.items() if op_type not in SLOPED},
    "hard_sigmoid": [("HardSigmoid", (("alpha", sixth),), None) for sixth in _SIXTHS],
    "gelu": [
        ("Mul", (), ("Mul", (), None, 0.5), ("Add", (), ("Erf", (), ("Mul", (), None, root)), 1.0))
        for root in _HALF_ROOTS
    ],
    "hard_swish": [("Mul", (), None, ("HardSigmoid", (("alpha", sixth),), None)) for sixth in _SIXTHS],
}
"""Trees of every activation without a slope, one for each way in which its numbers are rounded."""


def shorten_number(number: float) -> float:
    """The number with fewest digits that is the same in float32: 1e-05, where a file has 9.99999974e-06."""
    return float(str(np.float32(number)))


def as_text(tree: ExpressionTree) -> str:
    """A function as one writes it: `Clip(x, least=0, most=6)`."""
    if tree is None:
        return "x"
    if isinstance(tree, float):
        return f"{tree:g}"
    op_type, settings, *operands = tree
    named = [f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in settings]
    return f"{op_type}({', '.join([*map(as_text, operands), *named])})"


def replace_inner(tree: ExpressionTree, inner: ExpressionTree) -> ExpressionTree:
    """A tree as a function of an inner one, through which alone it reads the activation."""
    if tree == inner:
        return None
    if not isinstance(tree, tuple):
        return tree
    op_type, settings, *operands = tree
    return (op_type, settings, *(replace_inner(operand, inner) for operand in operands))


@lru_cache(maxsize=1024)
def identify_activation(tree: ExpressionTree) -> Activation | None:
    """The activation that a tree computes; None if it is none of ours."""
    if not _is_plausible(tree):
        return None
    try:
        found, _ = drop_outer_corners(find_form(tree))
    except (NoFormError, TypeError, OverflowError, ZeroDivisionError):
        return None
    for function, forms in _known_forms().items():
        if any(are_alike(found, wanted) for wanted in forms):
            return _require_reach(tree, Activation(function))
    return next((_require_reach(tree, one) for one in _find_sloped(found)), None)


def _is_plausible(tree: ExpressionTree) -> bool:
    """Whether a tree has the values of an activation at a few numbers, which takes less time than its form."""
    with np.errstate(all="ignore"):
        found = compute_tree(tree, _FEW)
    return any(np.all(np.abs(found - wanted) <= _ALIKE * np.maximum(1, np.abs(wanted))) for wanted in _values())


@lru_cache(maxsize=1)
def _values() -> list[Points]:
    """What each activation makes of the few numbers, above zero, where a slope changes nothing."""
    return [compute_tree((op_type, (), None), _FEW) for op_type in _OPERATORS.values()]


@lru_cache(maxsize=1)
def _known_forms() -> dict[Function, list[Form]]:
    return {function: [find_form(tree) for tree in trees] for function, trees in _SPELLINGS.items()}


def _find_sloped(found: Form) -> Iterator[Activation]:
    """Leaky ReLU or ELU with the slope that the form shows."""
    for op_type, function in SLOPED.items():
        alpha = find_slope(found, function)
        possible = 0 < alpha < (1 if function == "leaky_relu" else math.inf)
        if possible and are_alike(found, find_form((op_type, (("alpha", alpha),), None)), EXACT):
            yield Activation(function, shorten_number(alpha))


def _require_reach(tree: ExpressionTree, activation: Activation) -> Activation | None:
    return activation if measure_reach(tree, activation) >= _LEAST_REACH else None


@lru_cache(maxsize=1024)
def measure_reach(tree: ExpressionTree, activation: Activation) -> float:
    """The magnitude up to which a tree, computed in float32, is the activation that it is a spelling of."""
    settings = (("alpha", activation.slope),) if activation.sloped else ()
    known: ExpressionTree = (_OPERATORS[activation.function], settings, None)
    with np.errstate(all="ignore"):
        wanted, exactly = compute_tree(known, _POINTS), compute_tree(tree, _POINTS)
        found = compute_tree(tree, _POINTS.astype(np.float32))
        size = np.maximum(1, np.abs(wanted))
        alike = (np.abs(found - wanted) <= _ALIKE * size) & (np.abs(exactly - wanted) <= _ALIKE * size)
        noise = (np.abs(found - exactly) <= _NOISE * size) | ~np.isfinite(exactly)
    seen = float(np.min(np.abs(_POINTS[~(alike & noise)]), initial=np.inf))
    limit = drop_outer_corners(find_form(tree))[1]
    return min(seen, limit if limit < _LARGEST else math.inf)


@lru_cache(maxsize=1024)
def is_never_negative(tree: ExpressionTree, *, only_above: bool) -> bool:
    """Whether a tree is nowhere below zero; with `only_above`, of numbers that are not."""
    with np.errstate(all="ignore"):
        found = compute_tree(tree, _POINTS)
    return bool((found[_POINTS >= 0] if only_above else found).min() >= 0)


def compute_tree(tree: ExpressionTree, points: Points) -> Points:
    """What a tree makes of numbers, computed in their type."""
    if tree is None:
        return points
    if isinstance(tree, float):
        return np.full_like(points, tree)
    op_type, settings, *operands = tree
    made = FUNCTIONS[op_type](*(compute_tree(operand, points) for operand in operands), **dict(settings))
    return np.asarray(made, points.dtype)

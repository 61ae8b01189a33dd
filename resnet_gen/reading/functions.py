"""Elementwise functions told by what they compute, however they are spelled out.

A function is a tree of ONNX operators over one activation; it is evaluated at
fixed points and compared with the activations that we have. Files compute in
float32 or less, so constants such as sqrt(1/2) are met within their rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from resnet_gen.ops import Activation, Function

Points: TypeAlias = npt.NDArray[np.float64]
Tree: TypeAlias = "tuple[Any, ...] | float | None"
"""(operator, settings, operands...); a number; or None, the activation itself."""

_CLOSE = [-20.0, -8, -6.1, -4.5, -3.2, -3, -2.5, -1.7, -1, -0.6, -0.25, -0.05, 0]
_CLOSE += [0.05, 0.3, 0.8, 1, 1.5, 2.2, 3, 6.5, 20]
_FAR = [24.0, 32, 50, 100, 250, 700, 2000, 6000, 2e4, 65504]
"""Up to the largest number of float16: a Clip between numbers beyond that is there to keep to the type."""
_POINTS = np.asarray([*_CLOSE, *_FAR, *(-x for x in _FAR)])
_NEAR = 1e-4
"""Half precision's rounding of constants; GELU by tanh, which is another function, is further from GELU by erf."""

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


def _elu(x: Points, alpha: float = 1.0) -> Points:
    return np.asarray(np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))))


def _leaky(x: Points, alpha: float = 0.01) -> Points:
    return np.asarray(np.where(x > 0, x, alpha * x))


FUNCTIONS: dict[str, Callable[..., Points]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Clip": lambda x, least=-np.inf, most=np.inf: np.minimum(np.maximum(x, least), most),
    "Div": np.divide,
    "Elu": _elu,
    "Erf": _erf,
    "Exp": np.exp,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda x: x * _hard_sigmoid(x),
    "LeakyRelu": _leaky,
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
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Swish": lambda x, alpha=1.0: x * _sigmoid(alpha * x),
    "Tanh": np.tanh,
}
"""What each elementwise operator of ONNX computes."""

_KNOWN: dict[Function, Callable[[Points], Points]] = {
    "relu": FUNCTIONS["Relu"],
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "hard_sigmoid": _hard_sigmoid,
    "silu": FUNCTIONS["Swish"],
    "gelu": _gelu,
    "mish": FUNCTIONS["Mish"],
    "hard_swish": FUNCTIONS["HardSwish"],
}


SLOPED: dict[str, Function] = {"LeakyRelu": "leaky_relu", "Elu": "elu"}
"""The operators that are an activation of ours with a slope of their own, their attribute `alpha`."""


def shortest(number: float) -> float:
    """The number with fewest digits that is the same in float32: 1e-05, where a file has 9.99999974e-06."""
    return float(str(np.float32(number)))


def as_text(tree: Tree) -> str:
    """A function as one writes it: `Clip(x, least=0, most=6)`."""
    if tree is None:
        return "x"
    if isinstance(tree, float):
        return f"{tree:g}"
    op_type, settings, *operands = tree
    named = [f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in settings]
    return f"{op_type}({', '.join([*map(as_text, operands), *named])})"


@lru_cache(maxsize=1024)
def identified(tree: Tree) -> Activation | None:
    """The activation that a tree computes; None if it is none of ours."""
    with np.errstate(all="ignore"):
        found = _evaluated(tree)
        if found is None or found.shape != _POINTS.shape or not np.isfinite(found[: len(_CLOSE)]).all():
            return None
        for function, compute in _KNOWN.items():
            if _near(found, compute(_POINTS)):
                return Activation(function)
        return _sloped(found)


def _sloped(found: Points) -> Activation | None:
    """Leaky ReLU or ELU with the slope that the values at the negative points show."""
    slope, alpha = -found[_POINTS == -1][0], -found[_POINTS == -20][0] / -math.expm1(-20)
    if 0 < slope < 1 and _near(found, _leaky(_POINTS, slope)):
        return Activation("leaky_relu", shortest(slope))
    if alpha > 0 and _near(found, _elu(_POINTS, alpha)):
        return Activation("elu", shortest(alpha))
    return None


def _near(found: Points, wanted: Points) -> bool:
    """Whether values are those wanted; far out, where a spelling by exponentials overflows to NaN, none are asked."""
    return bool((np.isnan(found) | (np.abs(found - wanted) <= _NEAR * np.maximum(1, np.abs(wanted)))).all())


def _evaluated(tree: Tree) -> Points | None:
    if tree is None:
        return _POINTS
    if isinstance(tree, float):
        return np.full_like(_POINTS, tree)
    op_type, settings, *operands = tree
    values = [_evaluated(operand) for operand in operands]
    try:
        return np.asarray(FUNCTIONS[op_type](*values, **dict(settings)), np.float64)
    except (TypeError, ValueError, FloatingPointError):
        return None

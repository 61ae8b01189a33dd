"""The form of what each elementwise operator of ONNX makes of forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from resnet_gen.onnx.reading.piecewise_linear import apply_leak, clip, maximum, minimum
from resnet_gen.onnx.reading.sums_of_products import (
    EXACT,
    Form,
    NoFormError,
    add,
    are_alike,
    constant,
    exponential,
    function_of,
    invert,
    multiply,
    raise_to,
    scale,
    sigmoid,
)

_erf, _softplus = partial(function_of, "erf"), partial(function_of, "softplus")


def _tanh(of: Form) -> Form:
    return add(scale(2.0, sigmoid(scale(2.0, of))), constant(-1.0))


def _log(of: Form) -> Form:
    """Of 1 + e^u."""
    power = next((product[0] for product in of if len(product) == 1 and product[0][0] == "exp"), None)
    if power is None or len(of) != 2 or of.get(()) != 1.0 or of[(power,)] != 1.0:
        raise NoFormError("a logarithm")
    return _softplus(dict(power[1]))


def _gelu(of: Form, approximate: str = "none") -> Form:
    if approximate == "tanh":
        inner = scale(math.sqrt(2 / math.pi), add(of, scale(0.044715, raise_to(of, constant(3.0)))))
        return scale(0.5, multiply(of, add(constant(1.0), _tanh(inner))))
    return scale(0.5, multiply(of, add(constant(1.0), _erf(scale(math.sqrt(0.5), of)))))


def _elu(of: Form, alpha: float = 1.0) -> Form:
    falling = add(exponential(minimum(of, {})), constant(-1.0))
    return add(maximum(of, {}), scale(alpha, falling))


def _hard_sigmoid(of: Form, alpha: float = 1 / 6, beta: float = 0.5) -> Form:
    return clip(add(scale(alpha, of), constant(beta)), 0.0, 1.0)


COMPARISONS = {"Greater": 1.0, "GreaterOrEqual": 1.0, "Less": -1.0, "LessOrEqual": -1.0}
"""Operators that ask which of two is larger: 1 where the first has to be."""


def _comparison(sign: float) -> Callable[[Form, Form], Form]:
    return lambda u, v: function_of("above", scale(sign, add(u, scale(-1.0, v))))


def _where(asked: Form, yes: Form, no: Form) -> Form:
    """One function where u is above zero, else another, where they meet at zero: the second and k times ReLU of u."""
    (product, factor), *more = asked.items()
    if more or factor != 1.0 or len(product) != 1 or product[0][0] != "above":
        raise NoFormError("a choice")
    of, apart = dict(product[0][1]), add(yes, scale(-1.0, no))
    if not apart:
        return no
    steepness = next((apart.get(key, 0.0) / value for key, value in of.items() if key), 0.0)
    if not are_alike(scale(steepness, of), apart, EXACT):
        raise NoFormError("two functions that do not meet")
    return add(no, scale(steepness, maximum(of, {})))


def _threshold(of: Form, alpha: float = 1.0) -> Form:
    if alpha:
        raise NoFormError("a step")
    return maximum(of, {})


RULES: dict[str, Callable[..., Form]] = {
    **{name: _comparison(sign) for name, sign in COMPARISONS.items()},
    "Abs": lambda u: maximum(u, scale(-1.0, u)),
    "Add": add,
    "Clip": clip,
    "Div": lambda u, v: multiply(u, invert(v)),
    "Elu": _elu,
    "Erf": _erf,
    "Exp": exponential,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda u: multiply(u, _hard_sigmoid(u)),
    "LeakyRelu": lambda u, alpha=0.01: apply_leak(u, constant(alpha)),
    "Log": _log,
    "Max": maximum,
    "Min": minimum,
    "Mish": lambda u: multiply(u, _tanh(_softplus(u))),
    "Mul": multiply,
    "Neg": lambda u: scale(-1.0, u),
    "PRelu": apply_leak,
    "Pow": raise_to,
    "Reciprocal": invert,
    "Relu": lambda u: maximum(u, {}),
    "Sigmoid": sigmoid,
    "Softplus": _softplus,
    "Sub": lambda u, v: add(u, scale(-1.0, v)),
    "Swish": lambda u, alpha=1.0: multiply(u, sigmoid(scale(alpha, u))),
    "Tanh": _tanh,
    "ThresholdedRelu": _threshold,
    "Where": _where,
}
"""The form of what each elementwise operator of ONNX makes of forms; square roots and others have none."""

"""Which activation a tree of operators is: by its form, so that nothing hides between numbers that are looked at."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_gen.onnx.reading import elementwise_forms
from resnet_gen.onnx.reading.activations import FUNCTIONS, identify_activation, measure_reach
from resnet_gen.onnx.reading.rules import RULES
from resnet_gen.ops import Activation


def op(op_type, *operands, **attributes):
    return (
        op_type,
        tuple(sorted(attributes.items())),
        *(x if x is None or isinstance(x, tuple) else float(x) for x in operands),
    )


X = None
ROOT, GAIN = math.sqrt(2), math.sqrt(2 / math.pi)


def clip(x, least=None, most=None):
    limits = {"least": least, "most": most}
    return op("Clip", x, **{key: float(limit) for key, limit in limits.items() if limit is not None})


def add(*operands):
    return op("Add", *operands)


def mul(*operands):
    return op("Mul", *operands)


SPELLINGS = {
    "relu": [
        clip(X, 0), op("Max", X, 0), op("Max", 0, X), clip(X, 0, math.inf), clip(clip(X, most=3e38), 0),
        mul(op("Add", X, op("Abs", X)), 0.5), op("Sub", X, op("Min", X, 0)), op("Neg", op("Min", op("Neg", X), 0)),
        op("Relu", op("Relu", X)), op("LeakyRelu", X, alpha=0.0), op("PRelu", X, 0),
        op("Relu", op("LeakyRelu", X, alpha=0.3)),
        op("Div", op("Relu", mul(X, 4)), 4), clip(X, 0, 65504), op("Min", op("Relu", X), 65504),
    ],
    "sigmoid": [
        op("Div", 1, add(op("Exp", op("Neg", X)), 1)), op("Reciprocal", add(1, op("Exp", mul(X, -1)))),
        op("Div", op("Exp", X), add(1, op("Exp", X))), add(mul(op("Tanh", mul(X, 0.5)), 0.5), 0.5),
        op("Sub", 1, op("Sigmoid", op("Neg", X))), op("Pow", add(1, op("Exp", op("Neg", X))), -1),
    ],
    "tanh": [
        op("Sub", mul(2, op("Sigmoid", mul(2, X))), 1),
        op("Div", op("Sub", op("Exp", mul(X, 2)), 1), add(op("Exp", mul(X, 2)), 1)),
        op("Sub", op("Div", 2, add(1, op("Exp", mul(-2, X)))), 1),
    ],
    "hard_sigmoid": [
        clip(add(op("Div", X, 6), 0.5), 0, 1), op("Div", clip(add(X, 3), 0, 6), 6),
        op("Min", op("Relu", add(mul(X, np.float32(1 / 6)), 0.5)), 1),
        mul(clip(add(X, 3), 0, 6), 0.16666667), op("HardSigmoid", X, alpha=float(np.float16(1 / 6)), beta=0.5),
        op("Max", op("Min", add(op("Div", X, 6), 0.5), 1), 0),
    ],
    "silu": [
        mul(X, op("Sigmoid", X)), mul(op("Sigmoid", X), X), op("Div", X, add(1, op("Exp", op("Neg", X)))),
        op("Div", mul(X, op("Exp", X)), add(op("Exp", X), 1)), mul(mul(X, 0.5), add(1, op("Tanh", mul(0.5, X)))),
        op("Swish", X, alpha=1.0), mul(X, op("Div", 1, add(op("Exp", op("Neg", X)), 1))),
    ],
    "gelu": [
        mul(mul(X, 0.5), add(1, op("Erf", op("Div", X, ROOT)))),
        mul(0.5, mul(X, add(op("Erf", mul(X, 0.70710678)), 1))),
        add(mul(0.5, X), mul(mul(0.5, X), op("Erf", mul(X, 1 / ROOT)))), op("Gelu", X, approximate="none"),
        mul(mul(X, 0.5), add(1, op("Erf", op("Div", X, 1.4140625)))),
        mul(X, add(0.5, mul(0.5, op("Erf", op("Div", X, 1.4142))))),
        op("Div", mul(X, add(1, op("Erf", mul(X, 0.7071)))), 2),
    ],
    "mish": [
        mul(X, op("Tanh", op("Softplus", X))), mul(op("Tanh", op("Log", add(1, op("Exp", X)))), X),
    ],
    "hard_swish": [
        op("HardSwish", X), op("Div", mul(X, clip(add(X, 3), 0, 6)), 6),
        mul(X, op("HardSigmoid", X, alpha=1 / 6, beta=0.5)),
        mul(mul(X, np.float32(1 / 6)), clip(add(3, X), 0, 6)),
        mul(X, op("Div", op("Min", op("Relu", add(X, 3)), 6), 6)),
        op("Div", op("Mul", clip(add(X, 3), 0, 6), X), 6),
    ],
}  # fmt: skip
SLOPED = {
    ("leaky_relu", 0.1): [
        op("Max", X, mul(X, 0.1)), op("PRelu", X, 0.1),
        op("Sub", op("Relu", X), mul(0.1, op("Relu", op("Neg", X)))),
        add(op("Relu", X), mul(op("Min", X, 0), 0.1)), add(mul(0.9, op("Relu", X)), mul(X, 0.1)),
    ],
    ("elu", 1.0): [
        add(op("Relu", X), op("Min", op("Sub", op("Exp", X), 1), 0)), op("Elu", X, alpha=1.0),
        add(op("Max", X, 0), op("Sub", op("Exp", op("Min", X, 0)), 1)),
    ],
    ("elu", 0.5): [add(op("Relu", X), op("Min", 0, mul(0.5, op("Sub", op("Exp", X), 1)))), op("Elu", X, alpha=0.5)],
}  # fmt: skip
ALL = [(tree, Activation(function)) for function, trees in SPELLINGS.items() for tree in trees]
ALL += [(tree, Activation(*sloped)) for sloped, trees in SLOPED.items() for tree in trees]


@pytest.mark.parametrize(("tree", "activation"), ALL, ids=str)
def test_a_spelling_is_the_activation_that_it_spells(tree, activation):
    assert identify_activation(tree) == activation


# --- what is not ---------------------------------------------------------------


def bump(tree, centre, width, height):
    """The function with a bump: height * exp(-((x - centre) / width) ** 2)."""
    away = op("Div", op("Sub", X, centre), width)
    return add(tree, mul(op("Exp", op("Neg", mul(away, away))), height))


def tooth(tree, centre, width, height):
    """The function with a tooth of straight sides."""
    rise = height / width
    sides = [mul(op("Relu", op("Sub", X, centre + k * width)), rise * factor) for k, factor in enumerate((1, -2, 1))]
    return add(add(add(tree, sides[0]), sides[1]), sides[2])


def window(tree, centre, width, height):
    """The function, raised within a window with steep sides."""
    inside = op(
        "Sub", op("Sigmoid", mul(op("Sub", X, centre), 1e6)), op("Sigmoid", mul(op("Sub", X, centre + width), 1e6))
    )
    return add(tree, mul(inside, height))


def scaled(tree, centre, width, height):
    return mul(tree, 1 + 0.1 * height)


def shifted(tree, centre, width, height):
    return add(tree, 1e-3 * height)


def coarse(tree, centre, width, height):
    """The function of x to which a large number is added and taken off again, which leaves few digits of x."""
    return inside(tree, op("Sub", add(X, height * 1e7), height * 1e7))


def inside(tree, of):
    """The function of a function."""
    if tree is None:
        return of
    return tree if isinstance(tree, float) else (*tree[:2], *(inside(operand, of) for operand in tree[2:]))


HIDDEN = [bump, tooth, window, scaled, shifted, coarse]
PLACES = st.floats(-2.0, 8.0).map(lambda e: 10**e) | st.floats(-12.0, 0.0).map(lambda e: 10**e)


@settings(max_examples=300, deadline=None)
@given(
    spelled=st.sampled_from(ALL),
    hide=st.sampled_from(HIDDEN),
    centre=st.tuples(PLACES, st.sampled_from([-1, 0, 1])).map(math.prod),
    width=st.sampled_from([1e-6, 1e-3, 0.1, 3.0]),
    height=st.sampled_from([0.01, 1.0, 30.0, -5.0]),
)
def test_nothing_is_hidden_in_an_activation(spelled, hide, centre, width, height):
    """However narrow, wherever it stands, and whatever it is spelled out of; beyond half precision it is told."""
    tree = hide(spelled[0], centre, width, height)
    found = identify_activation(tree)
    assert found is None or measure_reach(tree, found) <= abs(centre)


@settings(max_examples=150, deadline=None)
@given(spelled=st.sampled_from(ALL), data=st.data())
def test_a_spelling_with_one_number_or_operator_changed_is_none_or_computes_the_same(spelled, data):
    tree = changed(spelled[0], data.draw)
    activation = identify_activation(tree)
    if activation is not None:
        rng = np.random.default_rng()
        x = np.concatenate([rng.normal(0, s, 300) for s in (1e-30, 1e-3, 0.1, 1, 10)])
        wanted = computed(
            (OPERATOR[activation.function], (("alpha", activation.slope),) if activation.sloped else (), X), x
        )
        near = np.abs(computed(tree, x) - wanted) <= 1e-3 * np.maximum(np.abs(wanted), 1)
        assert near[np.abs(x) < measure_reach(tree, activation)].all()


OPERATOR = {
    "relu": "Relu", "leaky_relu": "LeakyRelu", "elu": "Elu", "silu": "Swish", "gelu": "Gelu", "mish": "Mish",
    "hard_swish": "HardSwish", "sigmoid": "Sigmoid", "hard_sigmoid": "HardSigmoid", "tanh": "Tanh",
}  # fmt: skip
LIKE = {"Add": ["Sub", "Mul"], "Mul": ["Add", "Div"], "Max": ["Min"], "Min": ["Max"], "Relu": ["Abs", "Neg"]}
LIKE |= {
    "Exp": ["Sigmoid", "Softplus"],
    "Tanh": ["Sigmoid", "Erf"],
    "Sub": ["Add"],
    "Div": ["Mul"],
    "Sigmoid": ["Tanh"],
}


def changed(tree, draw):
    """A tree of which one number, setting or operator is another."""
    if isinstance(tree, float):
        return tree * draw(st.sampled_from([1.01, 0.5, -1.0, 1 + 1e-3, 0.0])) + draw(st.sampled_from([0.0, 1e-2]))
    op_type, settings_, *operands = tree
    places = [place for place, operand in enumerate(operands) if operand is not None]
    choices = [*places, *(["operator"] if op_type in LIKE else []), *(["setting"] if settings_ else [])]
    if not choices:
        return op("Neg", tree)
    choice = draw(st.sampled_from(choices))
    if choice == "operator":
        return (draw(st.sampled_from(LIKE[op_type])), settings_, *operands)
    if choice == "setting":
        key, value = draw(st.sampled_from(settings_))
        other = "tanh" if key == "approximate" else changed(value, draw)
        return (op_type, tuple((k, other if k == key else v) for k, v in settings_), *operands)
    operands[choice] = changed(operands[choice], draw)
    return (op_type, settings_, *operands)


def computed(tree, x):
    if tree is None:
        return x
    if isinstance(tree, float):
        return np.full_like(x, tree)
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[tree[0]](*(computed(t, x) for t in tree[2:]), **dict(tree[1])), np.float64)


# --- how far -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "function", "limit"),
    [
        (op("Relu", X), "relu", math.inf),
        (clip(X, 0, 65504), "relu", 7e4),
        (op("Div", mul(X, op("Exp", X)), add(op("Exp", X), 1)), "silu", 89),
        (op("Div", op("Exp", X), add(1, op("Exp", X))), "sigmoid", 89),
        (mul(X, op("Tanh", op("Log", add(1, op("Exp", X))))), "mish", math.inf),
        (mul(mul(X, 0.5), add(1, op("Erf", op("Div", X, ROOT)))), "gelu", math.inf),
    ],
)
def test_how_far_out_a_spelling_is_what_it_spells(tree, function, limit):
    found = measure_reach(tree, Activation(function))
    assert 0.9 * limit <= found <= 1.6 * limit


def test_a_spelling_that_overflows_where_activations_lie_is_none():
    power = op("Exp", mul(X, 8))
    assert identify_activation(op("Div", power, add(1, power))) is None
    small = op("Div", op("Exp", mul(X, 3)), add(op("Exp", mul(X, 3)), 1))
    assert identify_activation(mul(X, small)) is None


def test_every_operator_that_has_a_form_is_read_in_files():
    assert set(elementwise_forms.RULES) | set(FUNCTIONS) <= set(RULES)

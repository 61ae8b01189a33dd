"""Figures as papers print them."""

from decimal import Decimal

import pytest

from resnet_gen.language.figures import PrintedError, PrintedFigure


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("152", "152", "1"),
        ("0", "0", "1"),
        ("25.5M", "25500000", "100000"),
        ("236K", "236000", "1000"),
        ("1.8G", "1800000000", "100000000"),
        ("3.8e9", "3800000000", "100000000"),
        ("7.80e9", "7800000000", "10000000"),
        ("0.85M", "850000", "10000"),
        ("0.5", "0.5", "0.1"),
    ],
)
def test_value_and_unit_of_the_last_digit(text, value, unit):
    printed = PrintedFigure.parse(text)
    assert (printed.text, printed.value, printed.unit) == (text, Decimal(value), Decimal(unit))


@pytest.mark.parametrize(
    "text",
    ["", "M", "25.5 M", "25.M", ".5M", "-1", "+1", "1e-3", "1e100", "1.5B", "1M2", "25.5m", "1,000", "0x10", "\u0661",
     "1\n", "1234567890123456789", "1.1234567890123", "1e9G", "inf", "nan"],
)  # fmt: skip
def test_what_is_no_figure_is_refused_by_name(text):
    with pytest.raises(PrintedError, match="is not a printed figure"):
        PrintedFigure.parse(text)


@pytest.mark.parametrize(
    ("text", "exact", "admitted"),
    [
        ("25.5M", 25_557_032, True),
        ("25.5M", 25_400_001, True),
        ("25.5M", 25_600_000, False),
        ("25.5M", 25_400_000, False),
        ("3.6e9", 3_663_761_408, True),
        ("3.6e9", 3_830_747_136, False),
        ("152", 152, True),
        ("152", 153, False),
        ("9999999999e99", 10**108, False),
    ],
)
def test_an_exact_count_is_admitted_within_one_unit_of_the_last_digit(text, exact, admitted):
    assert PrintedFigure.parse(text).admits(exact) is admitted


def test_a_count_of_fifty_digits_is_compared_exactly():
    assert not PrintedFigure.parse("1e50").admits(2 * 10**50)
    assert not PrintedFigure.parse("1").admits(10**50 + 1)

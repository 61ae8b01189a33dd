"""What only training sees, as lines of Python that PyTorch and Flax modules share."""

from __future__ import annotations

from resnet_gen.generate.base import CodeSubject
from resnet_gen.generate.layout import PythonCall, PythonText, format_lines, indent_lines
from resnet_gen.generate.modules.training import find_drop_schedule, find_zero_norms
from resnet_gen.generate.python import INDENT
from resnet_gen.generate.spelling import quote_text


def write_drop_rates(subject: CodeSubject, attribute: str, drops: str) -> list[str]:
    """The lines of a network's constructor that give each block its rate, where those rise; else none.

    `attribute` is what `StochasticDepth` calls it, `drops` is an expression of all of those in their order.
    """
    schedule = find_drop_schedule(subject.loaded, subject.graph)
    if schedule is None:
        return []
    value = f"    drop.{attribute} = {schedule.rate!r} * number / {schedule.last}"
    found = format_lines("drops = ", drops, INDENT)
    if not schedule.blocks:
        return [*found, "for number, drop in enumerate(drops):", value]
    numbers = format_lines("numbers = ", PythonCall("", [*map(str, schedule.blocks)], "[]"), INDENT)
    return [*found, *numbers, "for number, drop in zip(numbers, drops):", value]


def write_zero_norms(subject: CodeSubject, weight: str, statement: str) -> list[str]:
    """Lines of a loop that do `statement` where `name` is that of a norm's weight that begins with 0; or none.

    `weight` is what a norm calls it.
    """
    ends = find_zero_norms(subject.loaded, subject.graph)
    if not ends:
        return []
    texts: list[PythonText] = [quote_text(f"{end}.{weight}") for end in ends]
    call = PythonCall("name.endswith", texts if len(texts) == 1 else [PythonCall("", texts)])
    return [*format_lines("if ", call, INDENT + 4, ":"), *indent_lines([statement])]

"""What docs/design.md shows of the code itself: the picture of the rooms, the walk of a build, and every module."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from html import escape
from importlib import import_module
from textwrap import wrap
from typing import Any

from tests.house.rooms import MODULES, PACKAGE, ROOMS, ROOT, WALK, arrows, flow, purpose

PAGE = ROOT / "docs" / "design.md"
PICTURE = ROOT / "docs" / "pictures" / "rooms.svg"
_BEGIN, _END = "<!-- {}: written by `make generated` -->\n", "<!-- end of {} -->\n"
_LEGEND = (
    "An arrow: imports. Imports that follow from others are left out. Blue: has a step of the build, by its number."
)
_WIDE, _HIGH, _GAP, _FLOOR, _ACROSS = 300, 84, 24, 124, 996


def refresh() -> None:
    """Write the picture, and the parts of the page that follow from the code."""
    PICTURE.write_text(picture(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def page(text: str) -> str:
    """The page with its generated parts written anew."""
    for name, made in (("rooms", _rooms()), ("walk", _walk()), ("modules", _modules())):
        begin, end = _BEGIN.format(name), _END.format(name)
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{made}\n{end}{rest.partition(end)[2]}"
    return text


def _rooms() -> str:
    rows = (f"| `{name}` | {purpose(_full(name))} {flow(_full(name))} |" for name in reversed(ROOMS))
    return "\n".join(["| room | what it is for; what comes in and goes out |", "|---|---|", *rows, ""])


def _walk() -> str:
    lines = ["| | function | does | takes | returns |", "|---|---|---|---|---|"]
    for number, name in enumerate(WALK, 1):
        does = (inspect.getdoc(function(name)) or "").partition("\n")[0]
        lines.append(f"| {number} | `{name}` | {does} | {' | '.join(_types(name))} |")
    return "\n".join([*lines, ""])


def _types(name: str) -> tuple[str, str]:
    """What a function takes by position, each as its name and type, and what it returns."""
    signature = inspect.signature(function(name))
    given = [p for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY and p.name != "self"]
    given = [p for p in given if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    taken = ", ".join(f"`{p.name}: {p.annotation}`" for p in given)
    return taken.replace("|", "\\|"), f"`{signature.return_annotation}`"


def function(name: str) -> Any:
    """The function of a dotted name below the package, which may be a method."""
    steps = name.split(".")
    home = next(n for n in range(len(steps) - 1, 0, -1) if _full(".".join(steps[:n])) in MODULES)
    found: Any = import_module(_full(".".join(steps[:home])))
    for step in steps[home:]:
        found = getattr(found, step)
    return found


def _modules() -> str:
    return "\n".join(line for name in reversed(ROOMS) for line in _room(name))


def _room(name: str) -> Iterator[str]:
    """A room's modules, a row each; of parts that are chosen by their kind, the folder alone."""
    inside = [other for other in MODULES if other.startswith(f"{_full(name)}.")]
    if name == "parts":
        inside = [other for other in inside if other.count(".") == 2]
    if inside:
        yield f"### {name}\n"
        yield "| module | |\n|---|---|"
        yield from (f"| `{_path(other)}` | {purpose(other)} |" for other in sorted(inside))
        yield ""


def _path(name: str) -> str:
    path = MODULES[name].relative_to(ROOT / PACKAGE)
    return path.parent.as_posix() + "/" if path.name == "__init__.py" else path.as_posix()


def _full(name: str) -> str:
    return f"{PACKAGE}.{name}"


def picture() -> str:
    """The rooms on their floors: each imports from those below it, by the arrows or along several of them."""
    floors = _floors()
    places = {name: place for floor in floors for name, place in _placed(floor, floors.index(floor), len(floors))}
    height = len(floors) * _FLOOR + _GAP + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_ACROSS} {height}" width="{_ACROSS}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        "<title>The rooms of resnet-gen, from the ground up, and the way of a build through them</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#6b7588"/></marker></defs>',
        f'<rect width="{_ACROSS}" height="{height}" fill="#fff"/>',
        *_lines(places),
        *(line for name, place in places.items() for line in _box(name, *place)),
        f'<text x="{_ACROSS // 2}" y="{height - 14}" text-anchor="middle" fill="#333">{_LEGEND}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _floors() -> list[list[str]]:
    """Rooms by the longest way down from them, the ground first."""
    floor: dict[str, int] = {}
    for name in ROOMS:
        floor[name] = 1 + max((floor[lower] for upper, lower in arrows() if upper == name), default=-1)
    return [[name for name in ROOMS if floor[name] == number] for number in range(max(floor.values()) + 1)]


def _placed(floor: list[str], number: int, floors: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """The left upper corner of each room's box."""
    whole = len(floor) * _WIDE + (len(floor) - 1) * _GAP
    for index, name in enumerate(floor):
        yield name, ((_ACROSS - whole) // 2 + index * (_WIDE + _GAP), _GAP + (floors - 1 - number) * _FLOOR)


def _needed() -> set[tuple[str, str]]:
    """The arrows that do not follow from others."""
    below: dict[str, set[str]] = {}
    for name in ROOMS:
        direct = {lower for upper, lower in arrows() if upper == name}
        below[name] = direct.union(*(below[lower] for lower in direct))
    return {(a, b) for a, b in arrows() if not any(b in below[c] for d, c in arrows() if d == a)}


def _lines(places: dict[str, tuple[int, int]]) -> Iterator[str]:
    """An arrow for each import that is needed: straight to the next floor, else out at the side and down."""
    needed = _needed()
    for upper, lower in sorted(needed):
        (x, y), (to, down) = places[upper], places[lower]
        if down - y > _FLOOR:
            side, middle = (x + _WIDE if to > x else x), to + _WIDE // 2
            yield _arrow(f"M{side} {y + _HIGH // 2} H{middle} V{down}")
        else:
            leaves = [b for a, b in needed if a == upper and places[b][1] - y <= _FLOOR]
            arrives = [a for a, b in needed if b == lower and down - places[a][1] <= _FLOOR]
            start = _spread(x, leaves, lower, places)
            end = _spread(to, arrives, upper, places)
            yield _arrow(f"M{start} {y + _HIGH} L{end} {down}")


def _spread(x: int, others: list[str], name: str, places: dict[str, tuple[int, int]]) -> int:
    """Where on a side the arrow to or from a room stands, so that no two meet in one point."""
    order = sorted(others, key=lambda other: places[other])
    return x + _WIDE * (order.index(name) + 1) // (len(order) + 1)


def _arrow(path: str) -> str:
    return f'<path d="{path}" fill="none" stroke="#6b7588" marker-end="url(#tip)"/>'


def _plain(text: str) -> str:
    """Text without marks, and without what stands in brackets."""
    return re.sub(r" \([^)]*\)", "", text).replace("`", "")


def _box(name: str, x: int, y: int) -> Iterator[str]:
    steps = [number for number, step in enumerate(WALK, 1) if step.split(".")[0] == name]
    fill, stroke = ("#e8f1fc", "#2f6fbd") if steps else ("#f5f6f8", "#8a94a6")
    yield f'<rect x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="6" fill="{fill}" stroke="{stroke}"/>'
    yield f'<text x="{x + 12}" y="{y + 20}" font-size="14" font-weight="600" fill="#111">{name}</text>'
    for row, line in enumerate(wrap(_plain(purpose(_full(name))), 42, max_lines=3, placeholder=" ...")):
        yield f'<text x="{x + 12}" y="{y + 38 + 15 * row}" fill="#333">{escape(line)}</text>'
    if steps:
        said = ", ".join(map(str, steps))
        yield f'<text x="{x + _WIDE - 12}" y="{y + 20}" text-anchor="end" fill="#2f6fbd">{said}</text>'

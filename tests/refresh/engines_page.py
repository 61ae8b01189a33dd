"""The table of docs/engines.md: each option of an engine's build, and which TensorRT has it."""

from __future__ import annotations

from resnet_gen.language.engine_options import OPTIONS, EngineOption
from resnet_gen.problems import Bounds
from tests.house.rooms import ROOT

PAGE = ROOT / "docs" / "engines.md"
_BEGIN, _END = "<!-- engine options: written by `make generated` -->\n", "<!-- end of engine options -->\n"


def refresh() -> None:
    """Write the table into the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def page(text: str) -> str:
    """The page with its table written anew."""
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n{table()}\n{_END}{rest.partition(_END)[2]}"


def table() -> str:
    """A row an option."""
    head = ["| key | option of `build` | what it does | `trtexec`, since TensorRT | TensorRT-RTX |", f"|{'---|' * 5}"]
    return "\n".join([*head, *map(_row, OPTIONS.values()), ""])


def _row(option: EngineOption) -> str:
    value = {"switch": "", "file": " FILE", "profiles": " ...", "flags": " FLAG"}.get(option.kind, "")
    if isinstance(option.values, Bounds):
        value = f" {option.values.least:,}..{option.values.most:,}"
    elif option.values:
        value = " " + "\\|".join(option.values)
    spelled = option.trtexec.replace("{}", "...")
    since = ".".join(map(str, option.since))
    cells = (
        f"`{option.key}`",
        f"`{option.option}{value}`",
        option.help,
        f"`{spelled}`, {since}",
        option.not_rtx or "yes",
    )
    return f"| {' | '.join(cells)} |"

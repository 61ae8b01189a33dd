"""The mutants that no test kills, each with the reason why that is right: `survivors.txt`."""

from __future__ import annotations

from pathlib import Path

LIST = Path(__file__).with_name("survivors.txt")


def reasons() -> dict[str, str]:
    """Each mutant's key, and the reason: the line below it, indented."""
    found: dict[str, str] = {}
    key = ""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            found[key] = f"{found[key]} {line.strip()}".strip()
        elif line and not line.startswith("#"):
            key = line
            found[key] = ""
    return found

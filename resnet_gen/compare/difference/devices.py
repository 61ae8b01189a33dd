"""Devices of one's own that budgets and builds are for: files, on which verdicts and builds depend as on these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from resnet_gen.language.source import Source
from resnet_gen.problems import Loc, Refused
from resnet_gen.speed.targets import is_file_of_device


def find_named_devices(budgets: Any) -> Iterator[tuple[Loc, str]]:
    """The files of devices that budgets name, and where in these; data that are no budgets name none."""
    latency = budgets.get("latency") if isinstance(budgets, dict) else None
    entries = [((), latency)] if isinstance(latency, dict) else enumerate(latency) if isinstance(latency, list) else ()
    for at, entry in entries:
        name = entry.get("target") if isinstance(entry, dict) else None
        if isinstance(name, str) and is_file_of_device(name):
            yield ("latency", *((at,) if isinstance(at, int) else ()), "target"), name


def describe_devices(budgets: Iterable[Any], read: Callable[[str], Source]) -> list[dict[str, Any]]:
    """What the devices that budgets name are; nothing for one that cannot be read."""
    return describe_device_files((name for each in budgets for _, name in find_named_devices(each)), read)


def describe_device_files(names: Iterable[str], read: Callable[[str], Source]) -> list[dict[str, Any]]:
    """What devices are whose files have these names, once each; nothing for one that cannot be read."""
    return [{"file": name, "value": _read_data(name, read)} for name in dict.fromkeys(names)]


def _read_data(name: str, read: Callable[[str], Source]) -> Any:
    try:
        return read(name).data
    except Refused:
        return {}

"""What is wished of one network, from the words of a table in a project file to what `build` takes.

All that is said here of single options of `build` is in these tables; one that is in none is passed on as it stands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from resnet_gen.build.batches import parse_batch
from resnet_gen.build.request import Request
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.language.engine_options import OPTIONS
from resnet_gen.language.engine_settings import EngineSettings
from resnet_gen.ops.precision import Calibration
from resnet_gen.speed.targets import Target, is_file_of_device, load_shipped_target, load_target

Wishes: TypeAlias = dict[str, Any]
"""What is wished of one network, by the names of wishes: texts, numbers and yeses, as another process can be told."""


def load_device(name: str) -> Target:
    """The shipped device of a name, or the one in a YAML file; raises `Refused` as `load_target` does.

    A file is read once while it is the same: a thousand builds may be for it.
    """
    if not is_file_of_device(name):
        return load_shipped_target(name)
    try:
        found = os.stat(name)  # noqa: PTH116 - with its time in nanoseconds
    except (OSError, ValueError):
        return load_target(name)
    return _read_device(name, found.st_mtime_ns, found.st_size)


@lru_cache(64)
def _read_device(name: str, _changed: int, _size: int) -> Target:
    return load_target(name)


_FORMS: dict[str, Callable[[Any], Any]] = {
    "device": load_device,
    "batch": parse_batch,
    "weights": Path,
    "calibration": lambda given: Calibration(**given),
    "compute_capabilities": lambda numbers: tuple(sorted(set(numbers))),
    **dict.fromkeys(("engine", "project_engine"), EngineSettings.model_validate),
}
"""How what stands in a table becomes what is wished; anything else is wished as it stands."""
_FIELDS = {"compute_capabilities": "capabilities"}


def make_request(wishes: Mapping[str, Any]) -> Request:
    """What wishes come to; raises `Refused` for what does not go together."""
    given = {_FIELDS.get(key, key): _FORMS.get(key, lambda value: value)(value) for key, value in wishes.items()}
    return resolve_request(BuildWishes(**given))


_OPTION = re.compile(r"--[a-z][a-z0-9-]*")
_KEYS = {
    "--for": "devices",
    "--precision": "precisions",
    "--target": "targets",
    "--sm": "compute_capabilities",
    "--io": "typed_io",
    "--fold-bn": "fold",
    "--qdq": "placement",
    "--calibration-images": "calibration.most",
    "--calibration-method": "calibration.method",
    "--percentile": "calibration.percentile",
    "--no-compare": "compare",
    "--any-size": "serve.size",
    "--channel-order": "serve.order",
    "--labels": "serve.labels",
    "--layout": "serve.layout",
    "--serve-outputs": "serve.outputs",
    "--serve-type": "serve.type",
    **{option.option: f"engine.{key}" for key, option in OPTIONS.items()},
}
"""What options, and so messages about wishes, are called in a table; others are called the same."""


_ONE_OF = {"devices": "device", "precisions": "precision", "targets": "target"}


def find_key(message: str) -> str:
    """The key of a table that a message about an option of `build` is about; empty where it is about none."""
    option = _OPTION.search(message)
    return _name_key(option) if option else ""


def spell_keys(text: str, *, one: bool = False) -> str:
    """A message about options of `build` with the keys of a table in their place; with `one`, those of lists as one."""
    names = _ONE_OF if one else {}
    return _OPTION.sub(lambda option: names.get(_name_key(option), _name_key(option)), text)


def _name_key(option: re.Match[str]) -> str:
    return _KEYS.get(option[0], option[0][2:].replace("-", "_"))


# --- what means nothing for some of what a table is multiplied out to ----------------


def _is_in_eight_bits(wishes: Wishes) -> bool:
    return wishes.get("precision", "int8") in ("int8", "fp8")


def _is_compared(wishes: Wishes) -> bool:
    return wishes.get("precision") != "fp32" or bool(wishes.get("fold"))


def _has_engine(wishes: Wishes) -> bool:
    if target := wishes.get("target"):
        return bool(target != "onnx")
    return "device" in wishes and load_device(wishes["device"]).engine != "onnx"


def _builds_engine(wishes: Wishes) -> bool:
    """Whether an engine is built of the model, here or on the device: a server may run the model as it is."""
    device = load_device(wishes["device"]) if "device" in wishes else None
    on_gpu = device is not None and device.engine != "onnx"
    return _has_engine(wishes) and (wishes.get("target") != "triton" or on_gpu)


_MEANS_SOMETHING: dict[str, Callable[[Wishes], bool]] = {
    "calibration": _is_compared,
    "placement": _is_in_eight_bits,
    "rest": _is_in_eight_bits,
    "reduce_range": lambda wishes: wishes.get("precision", "int8") == "int8",
    "fold": lambda wishes: wishes.get("precision") not in ("int8", "fp8"),
    "typed_io": lambda wishes: wishes.get("precision") != "fp32",
    "compute_capabilities": lambda wishes: wishes.get("target") == "tensorrt-rtx",
    **dict.fromkeys(("tf32", "engine"), _has_engine),
    "symbolic_size": lambda wishes: not _builds_engine(wishes),
    "batch": lambda wishes: ":" not in wishes["batch"] or _has_engine(wishes),
}
"""For what an option of a table is, where it is for some of its devices, precisions and targets alone."""


def drop_idle(every: Sequence[Wishes]) -> None:
    """Leave options out where they mean nothing, if they mean something elsewhere in the table; else they are refused.

    A range of batches is an engine's, and beside the engine the model's batch is symbolic; images without eight bits
    are what is compared on, and no range follows from them.
    """
    for key, fit in _MEANS_SOMETHING.items():
        having = [wishes for wishes in every if key in wishes]
        fitting = [id(wishes) for wishes in having if fit(wishes)]
        for wishes in having:
            if fitting and id(wishes) not in fitting:
                del wishes[key]
    for wishes in every:
        if "calibration" in wishes and len(every) > 1 and not _is_in_eight_bits(wishes):
            wishes["calibration"] = {k: v for k, v in wishes["calibration"].items() if k in ("source", "most")}

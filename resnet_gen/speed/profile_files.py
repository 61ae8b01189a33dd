"""What layers took, as trtexec and ONNX Runtime write it, read as something that anybody may have written."""

from __future__ import annotations

import errno
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from resnet_gen.ops.limits import BATCHES
from resnet_gen.problems import Refused, refuse
from resnet_gen.system.files import read_regular_file, why_unread

ProfileKind: TypeAlias = Literal["trtexec", "onnxruntime"]
"""Whose measurements they are."""
_LARGEST = 16 << 20
"""Bytes of a file: detailed information of a ResNet-152's layers has one million, 100 runs of a ResNet-50 by ONNX
Runtime have six."""
_MOST_LAYERS, _LONGEST_NAME = 20_000, 100_000
_MOST_MS = 1e7
_METADATA, _LONGEST_NODE = "[ONNX Layer: ", 1_000
_ORT_ENDS, _ORT_NUMBERED = ("_kernel_time", "_nchwc"), ("_token_", "/DuplicateQDQForOutputPort")
"""What ONNX Runtime puts behind a node's name, as often as it changes the node; a number follows the latter."""
_REFORMAT = re.compile(r"Reformatting CopyNode for (?:Input|Output) Tensor [0-9]+ (?:to|from) ")


@dataclass(frozen=True)
class MeasuredLayer:
    """A layer of an engine, its mean time a run in milliseconds, and the ONNX nodes that it computes, if it says."""

    name: str
    """As the runtime calls it: `conv1 + relu`."""
    milliseconds: float
    """Of one run: the mean."""
    nodes: tuple[str, ...]
    """Names of nodes, out of its name or of the layer information beside it."""
    moves: bool = False
    """Whether it only copies what others compute, into another format."""


@dataclass(frozen=True)
class ProfileData:
    """Measured layers in the order of the file, and how often they ran."""

    kind: ProfileKind
    runs: int
    layers: tuple[MeasuredLayer, ...]
    batch: int | None = None
    """Images at once, where the file says it: ONNX Runtime's has the shapes that convolutions put out."""
    on_cpu: bool = False
    """Whether the file says that a CPU computed all of it."""

    @property
    def milliseconds(self) -> float:
        """Of one run: all layers."""
        return math.fsum(layer.milliseconds for layer in self.layers)


def read_profile(paths: Sequence[Path]) -> ProfileData:
    """The measurements in files: one profile, and beside it trtexec's layer information if that is given.

    Raises `Refused` for files that are neither, for two profiles, and for numbers that no times are.
    """
    profiles, origin = [], dict[str, tuple[str, ...]]()
    for path in paths:
        data = _read_json(path)
        if isinstance(data, dict) and "Layers" in data:
            origin |= _read_layer_information(data, path)
        else:
            profiles.append((path, data))
    if len(profiles) != 1:
        given = "two profiles" if profiles else "layer information alone"
        hint = "give one file of `trtexec --exportProfile` or of ONNX Runtime's profiler"
        raise refuse(f"{given}: which layers took how long?", str(profiles[1][0]) if profiles else None, hint)
    path, data = profiles[0]
    kind: ProfileKind = "trtexec" if _is_trtexec(data) else "onnxruntime"
    try:
        runs = _whole(data[0]["count"]) if kind == "trtexec" else _count_runs(data)
        found = list(_read_trtexec(data, origin) if kind == "trtexec" else _read_ort(data, runs))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise _refuse_form(path) from None
    if not found or len(found) > _MOST_LAYERS:
        raise _refuse_form(path)
    if kind == "trtexec":
        return ProfileData(kind, runs, tuple(found))
    batches = sorted(_find_batches(data))
    if len(batches) > 1:
        hint = "profile runs of one batch alone"
        raise refuse(f"its runs had batches of {batches[0]:,} and of {batches[1]:,}", str(path), hint)
    return ProfileData(kind, runs, tuple(found), next(iter(batches), None), _ran_on_cpu(data))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_regular_file(path, _LARGEST))
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise refuse(why_unread(error), str(path)) from None
        words = f"more than {_LARGEST >> 20} MiB, too large for a profile"
        raise refuse(words, str(path), "profile fewer runs") from None
    except (ValueError, RecursionError):
        raise _refuse_form(path) from None


def _refuse_form(path: Path) -> Refused:
    hint = "`trtexec --exportProfile=FILE`, with `--exportLayerInfo=FILE` beside it; or ONNX Runtime's own profiler"
    return refuse("not a profile of layers", str(path), hint)


def _is_trtexec(data: Any) -> bool:
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and "count" in data[0]


def _read_trtexec(data: list[Any], origin: dict[str, tuple[str, ...]]) -> Iterator[MeasuredLayer]:
    for entry in data[1:]:
        name, taken = _name(entry["name"]), _time(entry["averageMs"])
        plain = _REFORMAT.sub("", name)
        yield MeasuredLayer(name, taken, origin.get(name) or split_layer_name(plain), plain != name)


def _read_ort(data: Any, runs: int) -> Iterator[MeasuredLayer]:
    """Events of nodes, of which each run has one."""
    times: dict[str, float] = {}
    for event in data:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = _name(event["name"]).removesuffix("_kernel_time")
            times[name] = times.get(name, 0.0) + _time(event["dur"], 1e3)
    for name, total in times.items():
        moves = name.startswith(("ReorderInput", "ReorderOutput"))
        yield MeasuredLayer(name, total / runs, () if moves else split_layer_name(_cut_ends(name)), moves)


def _cut_ends(name: str) -> str:
    """A node's name without what ONNX Runtime put behind it."""
    end = len(name)
    while True:
        start = next((end - len(word) for word in _ORT_ENDS if name.endswith(word, 0, end)), end)
        if start == end:
            number = end
            while number and name[number - 1] in _DIGITS:
                number -= 1
            if number < end:
                start = next((number - len(word) for word in _ORT_NUMBERED if name.endswith(word, 0, number)), end)
        if start == end:
            return name[:end]
        end = start


_DIGITS = frozenset("0123456789")


def _count_runs(data: Any) -> int:
    runs = [event for event in data if event.get("cat") == "Session" and event.get("name") == "model_run"]
    return max(1, len(runs))


def _find_batches(data: Any) -> set[int]:
    """How many images convolutions put out at once."""
    arguments = (event["args"] for event in data if isinstance(event.get("args"), dict))
    shapes = (each.get("output_type_shape") for each in arguments if str(each.get("op_name", "")).endswith("Conv"))
    found = (next(iter(shape[0].values())) for shape in shapes if isinstance(shape, list) and _is_typed(shape[:1]))
    sides = (dims[0] for dims in found if isinstance(dims, list) and dims)
    return {side for side in sides if type(side) is int and BATCHES.least <= side <= BATCHES.most}


def _is_typed(shapes: list[Any]) -> bool:
    """Whether a shape is there, with its type: `{"float": [8, 64, 56, 56]}`."""
    return bool(shapes) and isinstance(shapes[0], dict) and len(shapes[0]) == 1


def _ran_on_cpu(data: Any) -> bool:
    arguments = (event["args"] for event in data if isinstance(event.get("args"), dict))
    providers = {str(each["provider"]) for each in arguments if each.get("provider")}
    return providers == {"CPUExecutionProvider"}


def _read_layer_information(data: dict[str, Any], path: Path) -> dict[str, tuple[str, ...]]:
    """The ONNX nodes of each layer whose information says them: what is built with detailed verbosity."""
    found: dict[str, tuple[str, ...]] = {}
    try:
        if len(data["Layers"]) > _MOST_LAYERS:
            raise ValueError
        for layer in data["Layers"]:
            if isinstance(layer, dict):
                nodes = _list_nodes(layer.get("Metadata", "")[:_LONGEST_NAME])
                found[_name(layer["Name"])] = tuple(dict.fromkeys(nodes))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _refuse_form(path) from None
    return {name: nodes for name, nodes in found.items() if nodes}


def _list_nodes(metadata: str) -> Iterator[str]:
    """The nodes that a layer's metadata names: `[ONNX Layer: conv1 | Output: 5]`, any number of times."""
    for part in metadata.split(_METADATA)[1:]:
        said, end, _ = part.partition("]")
        node = said.partition(" |")[0]
        if end and 0 < len(node) <= _LONGEST_NODE and "|" not in node:
            yield node


def split_layer_name(name: str) -> tuple[str, ...]:
    """The nodes that a layer's name says: of `conv1 + relu`, `PWN(PWN(sigmoid), mul)` and `fused conv1`.

    A range, `{ForeignNode[a...b]}`, is `a...b`: what lies between depends on the network.
    """
    if name.startswith(_RANGE) and name.endswith("]}") and "..." in (nodes := name[len(_RANGE) : -2]):
        return (nodes,)
    parts = re.split(r" \+ |, ", _WRAPPING.sub("", name.removeprefix("fused ")))
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


_RANGE = "{ForeignNode["
_WRAPPING = re.compile(r"\b[A-Z]+\(|[()]")
"""What TensorRT puts around nodes that it computes in one pass: `PWN(PWN(sigmoid), mul)`."""


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        raise ValueError
    return value


def _time(value: Any, each: float = 1.0) -> float:
    """Milliseconds, of a number of which so many are one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST_MS * each:
        raise ValueError
    return value / each


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 40:
        raise ValueError
    return value

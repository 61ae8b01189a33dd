"""Weights from a file: safetensors, NumPy's .npz, or a PyTorch checkpoint.

The format is known by the file's first bytes, never by its name. Nothing that a
file holds is executed.
"""

from __future__ import annotations

import importlib
import math
import shlex
import warnings
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from resnet_gen.graph import Graph
from resnet_gen.ops import Shape
from resnet_gen.ops.base import format_shape
from resnet_gen.problems import Problem, Refused, refuse, several, shorten
from resnet_gen.system.file_kinds import ONNX
from resnet_gen.system.files import open_regular_file, why_unread
from resnet_gen.weights.base import Array, row_ranges
from resnet_gen.weights.formats.archive import ZIP_ERRORS, open_archive
from resnet_gen.weights.formats.arrays import are_finite, check_sides, to_float32
from resnet_gen.weights.prefixes import describe_prefix, prefixes, without_prefix

MOST_NAMED = 10
"""Tensors that are named where many are at fault."""


class FileTensor(Protocol):
    """One tensor in a file."""

    @property
    def shape(self) -> Shape:
        """Its shape."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type that it is stored in."""
        ...

    def exact(self) -> npt.NDArray[Any]:
        """The whole tensor in that type."""
        ...

    def rows(self, start: int, stop: int) -> Array:
        """Rows start..stop, as float32."""
        ...


class CheckpointWeights:
    """The weights of a graph, out of a file that has exactly them.

    Values that are not finite are handed on as they are, and warned of once: a
    network that diverged in training is still the network that was trained.
    """

    def __init__(self, tensors: Mapping[str, FileTensor], path: Path) -> None:
        self._tensors, self._path = tensors, path
        self._warned = False

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows start..stop of the tensor `name`; raises `Refused` for numbers beyond float32."""
        values = self._tensors[name].rows(start, stop)
        if not np.isfinite(values).all():
            self._check_finite(name, start, stop)
        return values

    def _check_finite(self, name: str, start: int, stop: int) -> None:
        kept = self._tensors[name].exact()[start:stop]
        if (np.isinf(to_float32(kept)) & are_finite(kept)).any():
            raise refuse(f"'{name}' has values beyond float32", str(self._path))
        if not self._warned:
            self._warned = True
            names = [n for n, tensor in self._tensors.items() if not _is_finite(tensor)]
            warnings.warn(describe_not_finite(names, self._path), stacklevel=2)


def _is_finite(tensor: FileTensor) -> bool:
    return all(np.isfinite(tensor.rows(start, stop)).all() for start, stop in row_ranges(tensor.shape))


def describe_not_finite(names: Sequence[str], path: Path) -> str:
    """What is said of tensors whose values are not all finite: the first ten, and how many."""
    return f"{path}: {several(len(names), 'tensor')} with values that are not finite: {first_names(names)}"


def first_names(names: Sequence[str]) -> str:
    """The first ten names, and how many others there are."""
    shown = ", ".join(f"'{name}'" for name in names[:MOST_NAMED])
    return f"{shown} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else shown


def read(path: Path, *, counters: bool = False) -> dict[str, FileTensor]:
    """The tensors of a file by name; raises `Refused` if it is none of the formats, or lists what no tensor can be.

    Batch norms' counters of training steps (int64) are among them only where they are asked for.
    """
    reader = importlib.import_module(f"{__package__}.formats.{_format(path)}")
    tensors: dict[str, FileTensor] = reader.read(path, counters=counters)
    for name, tensor in tensors.items():
        _check_possible(name, tensor, str(path))
    return tensors


def _check_possible(name: str, tensor: FileTensor, where: str) -> None:
    """Refuse a name or a shape that a file can state and nothing can have, before anything prints or counts it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise refuse(f"the name '{shorten(name)}' is not Unicode text", where) from None
    check_sides(name, len(tensor.shape), where)
    fits = all(0 <= side < 2**63 for side in tensor.shape)  # before they are multiplied
    if not fits or math.prod((max(side, 1) for side in tensor.shape), start=tensor.dtype.itemsize) >= 2**63:
        raise refuse(f"'{shorten(name)}' has a side below 0, or more bytes than 2**63 - 1", where)


def is_weights_file(path: Path) -> bool:
    """Whether a file begins as one of the formats does; raises `Refused` if it cannot be read."""
    return _beginning(path) is not None


_BEGINNINGS = {"safetensors": (8, b"{"), "zip": (0, b"PK"), "pytorch_legacy": (0, b"\x80")}
"""Where files of a format have which bytes; safetensors' length before its own may begin with the others'."""


def _beginning(path: Path) -> str | None:
    try:
        with open_regular_file(path) as stream:
            magic = stream.read(16)
    except OSError as error:
        raise refuse(why_unread(error), str(path)) from None
    return next((name for name, (at, begin) in _BEGINNINGS.items() if magic.startswith(begin, at)), None)


def _format(path: Path) -> str:
    """The module that reads a file."""
    name = _beginning(path)
    if name is None:
        raise _refuse_format(path)
    if name == "zip":
        return "npz" if _holds_arrays(path) else "pytorch"
    return name


def _refuse_format(path: Path) -> Refused:
    hint = "safetensors, .npz and PyTorch checkpoints can be read"
    if not path.name.lower().endswith(ONNX):
        return refuse("not a file of weights, or damaged", str(path), hint)
    file = shlex.quote(shorten(str(path), 100))
    message = "an ONNX file, which has a network around its weights, or damaged"
    return refuse(message, str(path), f"`resnet-gen import {file} -o . --weights FILE.safetensors` writes its weights")


def _holds_arrays(path: Path) -> bool:
    try:
        with open_archive(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except ZIP_ERRORS as error:
        raise refuse(f"damaged: {error}", str(path), "was it copied or downloaded completely?") from None


def match_state_dict(
    graph: Graph,
    tensors: Mapping[str, FileTensor],
    path: Path,
    *,
    body: Graph | None = None,
    hint: Callable[[Mapping[str, Shape]], str | None] | None = None,
) -> CheckpointWeights:
    """The file's tensors as the graph's weights; raises `Refused` naming the first that do not fit.

    A prefix of all names is taken off if they fit without it. For a backbone, `body` is the network up to its head:
    the file may hold more of that, and modules of which it has nothing, such as the classifier. `hint` may know what
    else a file's names and shapes are.
    """
    wanted = {name: tensor.shape for name, tensor in graph.state().items()}
    for prefix in prefixes(tensors):
        named = without_prefix(prefix, tensors)
        if not _faults(graph, wanted, named, body):
            if prefix:
                warnings.warn(f"{path}: {describe_prefix(prefix)}", stacklevel=2)
            return CheckpointWeights({name: named[name] for name in wanted}, path)
    found = {name: tensor.shape for name, tensor in tensors.items()}
    raise Refused(list_faults(_faults(graph, wanted, tensors, body), str(path), hint(found) if hint else None))


def _faults(
    graph: Graph, wanted: Mapping[str, Shape], tensors: Mapping[str, FileTensor], body: Graph | None
) -> list[str]:
    left = find_left_out(_paths(body), wanted, tensors) if body else set()
    return differences(wanted, {n: tensor.shape for n, tensor in tensors.items() if n not in left}, graph.name)


def differences(wanted: Mapping[str, Shape], found: Mapping[str, Shape], network: str) -> list[str]:
    """What differs between the names and shapes that a network has and a file's.

    First the tensors of other shapes, in the network's order; then in turn one that is missing, and one too many.
    """
    other = [
        f"'{name}' is {format_shape(found[name])}, not {format_shape(shape)}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    missing = [
        f"'{name}' is missing: {format_shape(shape)} is needed" for name, shape in wanted.items() if name not in found
    ]
    more = [f"'{shorten(name)}' belongs to no layer of '{network}'" for name in found if name not in wanted]
    return [*other, *(line for pair in zip_longest(missing, more) for line in pair if line)]


def _paths(graph: Graph) -> dict[str, str]:
    return {node.weight_name(tensor.role): node.path for node in graph.nodes for tensor in node.tensors}


def find_left_out(body: Mapping[str, str], wanted: Container[str], names: Iterable[str]) -> set[str]:
    """Names that a backbone leaves out: of layers behind it, and of modules that the body has nothing of.

    `body` has the path of each name's layer. A norm behind the last block stands in the head's module, if in any.
    """
    modules = {name.partition(".")[0] for name, path in body.items() if not path.startswith("head.")}
    return {n for n in names if n not in wanted and (n in body or n.partition(".")[0] not in modules)}


def list_faults(faults: Sequence[str], where: str, hint: str | None = None) -> list[Problem]:
    """The first ten faults of a file, and how many there are; the hint stands with the last."""
    shown = list(faults[:MOST_NAMED])
    if len(faults) > len(shown):
        shown.append(f"and {len(faults) - len(shown):,} more: {len(faults):,} differences in all")
    return [*(Problem(fault, where) for fault in shown[:-1]), Problem(shown[-1], where, hint)]

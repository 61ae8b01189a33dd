"""Weights from a file: safetensors, NumPy's .npz, or a PyTorch checkpoint.

The format is told by the file's first bytes, never by its name. Nothing that a
file holds is executed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from resnet_gen.graph import Graph
from resnet_gen.ops import Shape
from resnet_gen.problems import Problem, Refused, refuse
from resnet_gen.weights.arrays import ZIP_ERRORS
from resnet_gen.weights.base import Array

MOST_NAMED = 20


class Stored(Protocol):
    """One tensor in a file."""

    @property
    def shape(self) -> Shape:
        """Its shape."""
        ...

    def rows(self, start: int, stop: int) -> Array:
        """Rows start..stop, as float32."""
        ...


class FromFile:
    """The weights of a graph, out of a file that has exactly them."""

    def __init__(self, tensors: Mapping[str, Stored], path: Path) -> None:
        self._tensors, self._path = tensors, path

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows start..stop of the tensor `name`; raises `Refused` if one is not finite."""
        values = self._tensors[name].rows(start, stop)
        if not np.isfinite(values).all():
            raise refuse(f"'{name}' has values that are not finite in float32", str(self._path))
        return values


def read(path: Path) -> dict[str, Stored]:
    """The tensors of a file by name; raises `Refused` if it is none of the formats."""
    tensors: dict[str, Stored] = importlib.import_module(_format(path, _magic(path))).read(path)
    return tensors


def is_stored(path: Path) -> bool:
    """Whether a file begins as one of the formats does; raises `Refused` if it cannot be read."""
    magic = _magic(path)
    return magic[8:9] == b"{" or magic[:2] == b"PK" or magic[:1] == b"\x80"


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(16)
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}", str(path)) from None


def _format(path: Path, magic: bytes) -> str:
    """The module that reads a file of these first bytes."""
    here = "resnet_gen.weights"
    if magic[8:9] == b"{":  # first: its length before it may begin with the others' bytes
        return f"{here}.safetensors"
    if magic[:2] == b"PK":
        return f"{here}.{'npz' if _holds_arrays(path) else 'pytorch'}"
    if magic[:1] == b"\x80":
        return f"{here}.pytorch_legacy"
    hint = "safetensors, .npz and PyTorch checkpoints can be read"
    raise refuse("not a file of weights, or damaged", str(path), hint)


def _holds_arrays(path: Path) -> bool:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except ZIP_ERRORS as error:
        raise refuse(f"damaged: {error}", str(path), "was it copied or downloaded completely?") from None


def fit(graph: Graph, tensors: Mapping[str, Stored], path: Path, *, body: Graph | None = None) -> FromFile:
    """The file's tensors as the graph's weights; raises `Refused` naming each that does not fit.

    For a backbone, `body` is the network up to its head: the file may hold more
    of that, and modules of which it has nothing, such as the classifier.
    """
    wanted = {name: tensor.shape for name, tensor in graph.state().items()}
    left = _left_out(body, wanted, tensors) if body else set()
    found = {name: tensor.shape for name, tensor in tensors.items() if name not in left}
    faults = [f"'{n}' is missing: {_x(s)} is needed" for n, s in wanted.items() if n not in found]
    faults += [f"'{n}' is {_x(found[n])}, not {_x(s)}" for n, s in wanted.items() if n in found and found[n] != s]
    faults += [f"'{n}' belongs to no layer of '{graph.name}'" for n in found if n not in wanted]
    if faults:
        raise Refused(_prefixed(wanted, found, str(path)) or _listed(faults, str(path)))
    return FromFile(tensors, path)


def _left_out(body: Graph, wanted: Mapping[str, Shape], names: Iterable[str]) -> set[str]:
    """Names that a backbone leaves out: of layers behind it, and of modules that the body has nothing of."""
    behind = body.state().keys() - wanted.keys()
    modules = {name.partition(".")[0] for name in body.state()}
    return {name for name in names if name in behind or name.partition(".")[0] not in modules}


def _prefixed(wanted: Mapping[str, Shape], found: Mapping[str, Shape], where: str) -> Problem | None:
    """The one fault of a checkpoint whose names all carry a prefix, as a wrapper such as DataParallel leaves it."""
    prefix = next(iter(found), "").partition(".")[0] + "."
    stripped = {name.removeprefix(prefix): shape for name, shape in found.items()}
    if stripped != dict(wanted) or not all(name.startswith(prefix) for name in found):
        return None
    return Problem(
        f"every name begins with '{prefix}'", where, "save the state dict of the wrapped model: model.module"
    )


def _listed(faults: list[str], where: str) -> list[Problem]:
    shown = [Problem(fault, where) for fault in faults[:MOST_NAMED]]
    more = len(faults) - len(shown)
    return shown + ([Problem(f"and {more} more tensors that do not fit", where)] if more else [])


def _x(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a scalar"

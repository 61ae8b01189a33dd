"""A file of weights to a file of weights, and the account of it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resnet_gen.infer.conversion.plan import ConversionOptions, ConversionPlan, TensorRow
from resnet_gen.infer.conversion.renamed_source import read_source
from resnet_gen.infer.conversion.renames import parse_renames
from resnet_gen.infer.conversion.schemes import build_network, find_scheme
from resnet_gen.language.load import Loaded
from resnet_gen.problems import Refused, refuse
from resnet_gen.system.write import Transaction
from resnet_gen.weights import checkpoint
from resnet_gen.weights.formats.arrays import are_finite
from resnet_gen.weights.formats.writing import FORMATS, TensorData

_LOADED_BY_TORCH = (".pth", ".pt", ".safetensors")


class Conversion(NamedTuple):
    """What a conversion does, tensor by tensor."""

    network: str
    """The network's name."""
    source: str
    """The naming scheme of the file."""
    target: str
    """The naming scheme of the result."""
    prefix: str
    """What stood before every name of the file, and was taken off."""
    renamed: list[str]
    """What else was changed of the file's names before they were the scheme's, in words."""
    rows: list[TensorRow]
    """Each tensor: `old` and `new` name, `shape`, `dtype`, and what was `done` to it."""

    def totals(self) -> dict[str, int]:
        """How many tensors are in the result, as `written`, and how many each thing was done to."""
        done = Counter(words.partition(" ")[0] for row in self.rows for words in row.done)
        return {"written": sum(row.new is not None for row in self.rows), **dict(sorted(done.items()))}


def plan_conversion(
    loaded: Loaded,
    path: Path,
    out: Path,
    to: str | None = None,
    called: str | None = None,
    change: ConversionOptions | None = None,
    renames: Sequence[str] = (),
) -> Conversion:
    """What becomes of each tensor of the file `path` when it is written as `out` for the network `loaded`.

    `to` and `called` are the schemes of the result (by default the spec's own) and of the file (by default the one
    whose names it has, perhaps behind wrappers). `renames` are rules `PATTERN=NAME` for the file's names, before all
    else. Raises `Refused` for tensors that are not the network's, and schemes that are not for it.
    """
    if out.suffix not in FORMATS:
        hint = "the name ends in one of " + ", ".join(FORMATS)
        raise refuse(f"no format of weights is called '{out.suffix}'", str(out), hint)
    whole = build_network(loaded)
    target = find_scheme(to, whole, "--to") if to else whole.schemes[0]
    change = (change or ConversionOptions())._replace(counters=out.suffix in _LOADED_BY_TORCH)
    given = read_source(whole, path, called, parse_renames(renames), any_head=change.head is not None)
    made = ConversionPlan(whole, given.tensors, given.source, target, change)
    if made.faults:
        raise Refused(checkpoint.list_faults(made.faults, str(path), made.hint))
    rows = [*(row._replace(old=row.old and given.origins[row.old]) for row in made.rows), *given.list_dropped()]
    return Conversion(whole.graph.name, given.source.scheme.kind, target.kind, given.source.prefix, given.notes, rows)


def write_conversion(conversion: Conversion, out: Path, path: Path) -> None:
    """Write the result, whole or not at all; warns of what is worth knowing about the values of the file `path`."""
    bad: list[str] = []
    tensors = {row.new: _watch_finite(row, bad) for row in conversion.rows if row.new}
    with Transaction(out.parent) as transaction:
        transaction.write(out.name, FORMATS[out.suffix](tensors))
    if bad:
        warnings.warn(checkpoint.describe_not_finite(bad, path), stacklevel=2)


def _watch_finite(row: TensorRow, bad: list[str]) -> TensorData:
    """A tensor that adds its name to `bad` if it turns out, as it is written, to hold what is not finite."""
    tensor = row.tensor
    assert tensor is not None

    def chunks() -> Iterator[bytes]:
        good = True
        for chunk in tensor.chunks():
            good = good and bool(are_finite(np.frombuffer(chunk, tensor.dtype)).all())
            yield chunk
        if not good:
            bad.append(row.old or row.new or "")

    return TensorData(tensor.shape, tensor.dtype, chunks)

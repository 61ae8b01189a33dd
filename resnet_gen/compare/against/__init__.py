"""Files compared with a spec: whether an ONNX file or an engine implements it."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, partial
from pathlib import Path

from resnet_gen.compare.against.engine import compare_engine
from resnet_gen.compare.against.model import compare_model, read_model
from resnet_gen.engine.names import ONNX
from resnet_gen.problems import refuse
from resnet_gen.verify.rules.against import (
    Against,
    AgainstEngine,
    AgainstLayer,
    AgainstShape,
    AgainstSurroundings,
    AgainstWeight,
    CompareFile,
    FileFindings,
)
from resnet_gen.weights.downloads.names import WeightsSource


def choose_file_rules(path: Path, weights: WeightsSource | None, ignored: Collection[str] = ()) -> tuple[Against, ...]:
    """The rules that compare a spec with a file, but for those that are ignored, which the line of the file says.

    Raises `Refused` for a file that cannot be read, and where no rule is left.
    """
    kinds = _choose_rule_classes(path, weights)
    kept = [kind for kind in kinds if kind.id not in ignored]
    if not kept:
        raise refuse("--against: all its rules are ignored", hint="leave it away, or ignore fewer rules")
    first, *others = kept
    hold = _prepare_comparison(path, weights)
    tell = partial(_describe_comparison, tuple(kind for kind in kinds if kind not in kept))
    return first(hold, tell), *(kind(hold) for kind in others)


def _choose_rule_classes(path: Path, weights: WeightsSource | None) -> tuple[type[Against], ...]:
    if path.suffix != ONNX:
        return AgainstEngine, AgainstLayer, AgainstShape
    return (AgainstLayer, AgainstShape, AgainstSurroundings, *((AgainstWeight,) if weights else ()))


def _prepare_comparison(path: Path, weights: WeightsSource | None) -> CompareFile:
    if path.suffix != ONNX:
        return cache(lambda subject: compare_engine(path, weights, subject))
    found = read_model(path)
    return cache(lambda subject: compare_model(path, found, weights, subject))


def _describe_comparison(ignored: tuple[type[Against], ...], found: FileFindings) -> str:
    """What a file was compared with; what was not compared, if it is the spec's or something is ignored."""
    whole = found.words and not {AgainstLayer, AgainstEngine} & {*ignored}
    words = [
        found.words if whole else found.file,
        "" if AgainstWeight in ignored else found.weighed,
        "" if AgainstLayer in ignored else found.ranged,
    ]
    left = [] if found.behind and not ignored else [*(what for kind in ignored for what in kind.what), *found.left]
    if ignored:
        left += found.behind
    unchecked = list(dict.fromkeys(left))
    lacking = " and ".join(filter(None, [", ".join(unchecked[:-1]), *unchecked[-1:]]))
    return ", ".join(filter(None, [*words, f"{lacking} not compared" if unchecked else ""]))

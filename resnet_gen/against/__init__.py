"""Files held against a spec: whether an ONNX file or an engine implements it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from resnet_gen.against.engine import hold_engine
from resnet_gen.against.model import hold_model, read_model
from resnet_gen.verify.rules.against import AgainstEngine, AgainstLayer, AgainstShape, AgainstWeight
from resnet_gen.verify.rules.base import Rule


def rules(path: Path, weights: Path | None) -> tuple[Rule, ...]:
    """The rules that hold a spec against a file; raises `Refused` for a file that cannot be read."""
    if path.suffix != ".onnx":
        hold = cache(lambda subject: hold_engine(path, weights, subject))
        of_its_model = cache(lambda subject: hold(subject)._replace(words=""))  # which the first rule tells
        return AgainstEngine(hold), AgainstLayer(of_its_model), AgainstShape(of_its_model)
    found = read_model(path)
    hold = cache(lambda subject: hold_model(path, found, weights, subject))
    chosen = (AgainstLayer(hold), AgainstShape(hold))
    return (*chosen, AgainstWeight(hold)) if weights else chosen

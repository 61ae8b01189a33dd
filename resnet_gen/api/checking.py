"""Promises and changes: verify a spec, compare two networks, look at an engine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_gen.api.arguments import (
    AnyPath,
    Device,
    Network,
    check_one_of,
    check_within,
    name_of,
    resolve_spec,
    resolve_target,
    resolve_weights,
)
from resnet_gen.language.load import Loaded
from resnet_gen.ops.limits import BATCHES
from resnet_gen.ops.precision import PRECISIONS, Precision
from resnet_gen.problems import refuse
from resnet_gen.speed.limits import PREDICTED_BATCH, PREDICTED_PRECISION

if TYPE_CHECKING:
    from resnet_gen.build.option_checks import Check
    from resnet_gen.compare.difference.sides import Side
    from resnet_gen.compare.report import Report
    from resnet_gen.verify.outcome import Finding


def verify(
    spec: Network,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    against: AnyPath | None = None,
    weights: AnyPath | None = None,
    evaluate: bool = False,
) -> tuple[Finding, ...]:
    """Hold a spec to its claims, its reference, the papers' design rules and its budgets (docs/verify.md).

    Comments in the spec that suppress findings are heeded. Project files and locks are not looked for: those hold
    the specs of a folder together, which `resnet-gen verify` does.

    Args:
        spec: A loaded spec, a name, or a path.
        select: Ids of the rules to check; all without it.
        ignore: Ids of rules to leave out.
        against: An ONNX file or an engine that must hold the spec's network (docs/against.md).
        weights: The checkpoint whose weights that file must have, and that `evaluate` takes where a budget names none.
        evaluate: Hold budgets of accuracy too, which runs the network; they are not looked at without it.

    Returns:
        What was found, by file and line; empty if every promise is kept.

    Raises:
        Refused: For a spec or a file that cannot be read, and for rules that there are not.

    Example:
        >>> from resnet_gen import parse_spec, verify
        >>> verify("resnet50")
        ()
        >>> mine = "name: mine\\nextends: resnet18\\nclaims: [{what: layers, value: 20, source: the plan}]"
        >>> print(*verify(parse_spec(mine)))
        <text>:3:32: error: layers: 20 is claimed, the graph has 18 (the plan) [claim]
           3 | claims: [{what: layers, value: 20, source: the plan}]
                                              ^^
    """
    from resnet_gen.verify.outcome import examine_loaded
    from resnet_gen.verify.rule_selection import choose_rules, parse_ignored_rules
    from resnet_gen.verify.rules.base import Rule
    from resnet_gen.verify.subject import AccuracyEvaluation

    more: tuple[Rule, ...] = ()
    if against is not None:
        from resnet_gen.compare.against import choose_file_rules  # onnx and NumPy, which other rules do without

        more = choose_file_rules(Path(name_of(against)), resolve_weights(weights), parse_ignored_rules(ignore))
    elif weights is not None and not evaluate:
        raise refuse("weights: means nothing without 'against' or 'evaluate'")
    evaluation = AccuracyEvaluation(resolve_weights(weights)) if evaluate else None
    return examine_loaded(resolve_spec(spec), choose_rules(select, ignore, more), more, evaluation).findings


def explain_rule(rule: str) -> str:
    """What a rule of `verify` checks and why, a spec that breaks it, how to mend it (docs/rules/README.md).

    Args:
        rule: Its id, as findings have it.

    Returns:
        Markdown.

    Raises:
        Refused: If there is no such rule.

    Example:
        >>> from resnet_gen import explain_rule
        >>> print(explain_rule("claim"))
        A published figure is met exactly, or within one unit of its last printed digit.
        ...
    """
    from resnet_gen.verify.rules import find_rule

    kind = find_rule(rule)
    return f"{kind.summary()}\n\n{kind.explanation()}"


def diff(
    before: Network,
    after: Network,
    *,
    device: Device | None = None,
    precision: Precision = PREDICTED_PRECISION,
    batch: int = PREDICTED_BATCH,
) -> Report:
    """Compare two networks: layers, shapes, counts, predicted time (docs/diff.md).

    Args:
        before: A loaded spec, a name, a path, a spec in a git revision (`main:nets/x.yaml`), or an ONNX file.
        after: The same.
        device: Predict how long each takes there.
        precision: What layers compute in there.
        batch: Images at once there.

    Returns:
        The comparison: `same`, its `difference` in full, and as text (`str`), `markdown()` or data (`as_dict()`).

    Raises:
        Refused: For what cannot be read, and for what the device cannot do.

    Example:
        >>> from resnet_gen import diff, load_spec
        >>> print(diff("cifar-resnet20", load_spec("cifar-resnet20", {"head.classes": 100})))
        cifar-resnet20 -> cifar-resnet20 --set head.classes=100: 10 -> 100 classes; params +5,850 (+2.17 %), ...
        <BLANKLINE>
                         before       after  difference
        params          269,722     275,572      +5,850  +2.17 %
        ...
        >>> diff("resnet50", "resnet50").same
        True
    """
    from resnet_gen.compare.comparison import compare_sides, make_predictor

    check_one_of("precision", precision, PRECISIONS)
    check_within("batch", batch, *BATCHES)
    predicted = make_predictor(resolve_target(device), precision, batch) if device is not None else None
    return compare_sides(_resolve_side(before), _resolve_side(after), predicted)


def check_engine(
    file: AnyPath,
    *,
    spec: Network | None = None,
    weights: AnyPath | None = None,
    seed: int | None = None,
    device: Device | None = None,
) -> tuple[Check, ...]:
    """Say whether an engine, or an ONNX file, fits: before it is loaded, and without a GPU.

    Args:
        file: The file, whose manifest stands beside it.
        spec: What it must have been built from.
        weights: Those that it must have been built with.
        seed: The seed that it must have been built with.
        device: What it must be for; the GPUs here without it.

    Returns:
        Each thing that was looked at; a `state` of `no` is a reason not to use the file, `unknown` is none.

    Raises:
        Refused: For what is neither an engine nor a model.

    Example:
        >>> from resnet_gen import build, check_engine
        >>> model, *_ = build("cifar-resnet20", "built")
        >>> [(check.what, check.state) for check in check_engine(model, spec="cifar-resnet20", seed=0)]
        [('manifest', 'ok'), ('bytes', 'ok'), ('spec', 'ok'), ('weights', 'ok')]
    """
    from resnet_gen.build.engine_check import check
    from resnet_gen.build.option_checks import EngineRequirements

    if seed is not None and weights is not None:
        raise refuse("seed: means nothing beside 'weights'")
    asked = EngineRequirements(
        resolve_spec(spec) if spec is not None else None,
        resolve_weights(weights),
        seed,
        resolve_target(device) if device is not None else None,
    )
    return tuple(check(Path(name_of(file)), asked))


def _resolve_side(given: Network) -> Side:
    from resnet_gen.compare.difference.sides import load_side, make_side

    if not isinstance(given, Loaded):
        return load_side(name_of(given))
    changes = [f"--set {shlex.quote(document.text)}" for document in given.own[1:]]
    return make_side(" ".join([given.spec.name, *changes]), "spec", given)

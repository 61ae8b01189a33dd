"""The figures of `evaluate`: for people, for a comment in Markdown, and for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from resnet_gen.cli.bench_report import format_model
from resnet_gen.cli.output import finite_or_none
from resnet_gen.compare.formats.markdown import escape_markdown, write_table
from resnet_gen.engine.evaluation.comparison import Agreement
from resnet_gen.engine.evaluation.evaluation import Evaluation, ModelEvaluation
from resnet_gen.engine.evaluation.statistics import Proportion
from resnet_gen.engine.evaluation.tally import Accuracy, ClassAccuracy
from resnet_gen.graph.tables import align_columns
from resnet_gen.problems import json_text, several, shorten, visible

_MOST_CLASSES = 20
"""Classes that are all shown; of more, the worst."""
_WORST = 10
_MOST_BROKEN = 10
_LONGEST = 40
"""Characters of a name in a table."""


def format_json(found: Evaluation) -> str:
    """One object; docs/evaluate.md describes its keys."""
    entry = {
        "data": found.data,
        "images": found.images,
        "total": found.total,
        "classes": list(found.classes) or None,
        "notes": _list_notes(found),
        "broken": {"images": found.broken, "listed": [each._asdict() for each in found.broken_images]},
        "interval": "Wilson, 95 %",
        "batch": found.batch,
        "read_images_per_second": round(found.images_read_per_second, 2),
        "models": [_model_entry(each) for each in found.models],
    }
    return json_text({**entry, "comparison": _agreement_entry(found.agreement)} if found.agreement else entry) + "\n"


def _model_entry(found: ModelEvaluation) -> dict[str, Any]:
    of = found.accuracy
    return {
        "model": found.model,
        "runtime": found.runtime,
        "outputs": of.outputs,
        **({"best": of.best} if of.best else {}),
        "top1": proportion_entry(of.top1),
        "top5": proportion_entry(of.top5) if of.top5 else None,
        "mean_recall": round(of.balanced, 6),
        "not_finite": of.unfinite,
        "images_per_second": round(found.images_per_second, 2),
        "median_ms": round(found.median_ms, 4),
        "timed_runs": found.timed_runs,
        "per_class": [_class_entry(each) for each in of.classes],
        "confusion": [each._asdict() for each in of.confusions],
    }


def proportion_entry(found: Proportion, counted: str = "right") -> dict[str, Any]:
    """A part of images as JSON has it: how many are `counted`, the part, and its interval."""
    low, high = found.interval
    return {counted: found.number, "part": round(found.value, 6), "interval": [round(low, 6), round(high, 6)]}


def _class_entry(found: ClassAccuracy) -> dict[str, Any]:
    parts = {"recall": found.recall, "precision": found.precision}
    rounded = {name: None if part is None else round(part, 6) for name, part in parts.items()}
    return {"class": found.label, "images": found.images, "right": found.right, "predicted": found.predicted, **rounded}


def _agreement_entry(found: Agreement) -> dict[str, Any]:
    return {
        "same": proportion_entry(found.same, "images"),
        "both_right": found.both_right,
        "lost": found.lost,
        "gained": found.gained,
        "both_wrong_otherwise": found.other,
        "mcnemar_p": finite_or_none(found.p_value),
        "signal_to_noise_db": found.decibels and round(found.decibels, 2),
        "changes": [{**change._asdict(), "kind": change.kind} for change in found.changes],
    }


def _list_notes(found: Evaluation) -> list[str]:
    """What the figures leave out, and what to know of the classes."""
    notes = list(found.image_notes)
    if found.images + found.broken < found.total:
        notes.insert(0, f"{found.images + found.broken:,} of {several(found.total, 'image')}, evenly spaced")
    notes += [f"{each.model}: {line}" for each in found.models for line in each.accuracy.list_caveats()]
    if found.agreement and found.agreement.decibels is None:
        notes.append(f"signal to noise is not measured of the models: {_explain_no_signal(found)}")
    return notes


def _explain_no_signal(found: Evaluation) -> str:
    if any(each.accuracy.best for each in found.models):
        return "one names its best classes alone"
    alike = len({each.accuracy.outputs for each in found.models}) == 1
    return "one outputs probabilities, the other does not" if alike else "they output different numbers of classes"


# --- tables, as rows of cells -------------------------------------------------


def _letters(found: Evaluation) -> Sequence[str]:
    return "AB"[: len(found.models)]


def _summary_rows(found: Evaluation) -> Iterator[Sequence[str]]:
    yield "", "", "right", "part", "95 % interval"
    for letter, each in zip(_letters(found), found.models, strict=True):
        of = each.accuracy
        for name, part in (("top-1", of.top1), ("top-5", of.top5)):
            if part:
                right = f"{part.number:,} of {part.images:,}"
                yield letter, name, right, format_percent(part.value), format_interval(part)
        yield letter, "mean recall of classes", "", format_percent(of.balanced), ""


def _class_rows(found: Evaluation) -> Iterator[Sequence[str]]:
    """Recall of each class by each model; of many, those that the first recalls worst."""
    first = found.models[0].accuracy
    shown = [each.label for each in _choose_classes(first)]
    by_model = [{each.label: each for each in model.accuracy.classes} for model in found.models]
    letters = _letters(found)
    heads = [f"{word} {letter}" for letter in letters for word in ("right", "recall", "precision")]
    yield "class", "images", *(heads if len(letters) > 1 else [head[:-2] for head in heads])
    for index in shown:
        cells = [_format_class(of.get(index)) for of in by_model]
        images = by_model[0][index].images
        yield _name(found, index), f"{images:,}", *(cell for each in cells for cell in each)


def _choose_classes(of: Accuracy) -> list[ClassAccuracy]:
    if len(of.classes) <= _MOST_CLASSES:
        return list(of.classes)
    having = [each for each in of.classes if each.images]
    return sorted(having, key=lambda each: (each.recall or 0.0, each.label))[:_WORST]


def _format_class(found: ClassAccuracy | None) -> tuple[str, str, str]:
    if found is None:
        return "", "", ""
    recall, precision = ("" if part is None else format_percent(part) for part in (found.recall, found.precision))
    return f"{found.right:,}", recall, precision


def _confusion_rows(found: Evaluation) -> Iterator[Sequence[str]]:
    yield "", "class", "taken for", "images"
    for letter, each in zip(_letters(found), found.models, strict=True):
        for pair in each.accuracy.confusions[:_WORST]:
            yield letter, _name(found, pair.label), _name(found, pair.predicted), f"{pair.images:,}"


def _change_rows(found: Evaluation, agreement: Agreement) -> Iterator[Sequence[str]]:
    yield "", "image", "class", "A says", "B says"
    for change in agreement.changes:
        names = (_name(found, index) for index in (change.label, change.first, change.second))
        yield change.kind, change.image, *names


def _name(found: Evaluation, index: int) -> str:
    return shorten(found.name_class(index), _LONGEST)


def format_percent(part: float) -> str:
    """A part of 1 in percent, of two places."""
    return f"{100 * part:.2f} %"


def format_interval(part: Proportion) -> str:
    """The interval of a part: `98.05 to 99.64 %`."""
    low, high = part.interval
    return f"{100 * low:.2f} to {format_percent(high)}"


# --- sentences ----------------------------------------------------------------


def _titles(found: Evaluation) -> Iterator[str]:
    for letter, each in zip(_letters(found), found.models, strict=True):
        yield f"{letter}: {format_model(each.model, each.runtime)}"


def _describe_speed(found: Evaluation) -> Iterator[str]:
    for letter, each in zip(_letters(found), found.models, strict=True):
        runs = f"{several(each.timed_runs, 'run')} of up to {several(found.batch, 'image')}"
        warm = "the first left out" if each.warmed_up else "the first among them"
        speed = f"{each.images_per_second:,.1f} images/s through the model alone"
        yield f"{letter}: {speed}, median {each.median_ms:.3g} ms ({runs}, {warm})"
    yield f"read and prepared: {found.images_read_per_second:,.1f} images/s, apart from that and in one thread"


def _describe_agreement(found: Agreement) -> Iterator[str]:
    interval = f"{format_percent(found.same.value)}, 95 % interval {format_interval(found.same)}"
    yield f"same class for {found.same.number:,} of {found.same.images:,} ({interval})"
    yield f"right: both {found.both_right:,}, A alone {found.lost:,} (lost), B alone {found.gained:,} (gained)"
    yield f"both wrong, in different ways: {found.other:,}"
    verdict = "no more than chance explains" if found.p_value >= 0.05 else "more than chance explains, at 5 %"
    yield f"McNemar's exact test: p = {found.p_value:.3g}: A and B differ by {verdict}"
    if found.decibels is not None:
        yield f"signal to noise of B's scores, those of A being the signal: {found.decibels:.1f} dB"


def _describe_left_out(found: Evaluation) -> Iterator[str]:
    """The broken images, and what tables do not show."""
    for broken in found.broken_images[:_MOST_BROKEN]:
        yield f"left out: {broken.image}: {broken.reason}"
    if found.broken > _MOST_BROKEN:
        yield f"and {found.broken - _MOST_BROKEN:,} more left out"


def _class_title(found: Evaluation) -> str:
    classes = len(found.models[0].accuracy.classes)
    if classes <= _MOST_CLASSES:
        return "classes"
    return f"the {_WORST} classes of lowest recall of {classes:,}; --format json has all"


def _change_title(found: Agreement) -> str:
    all_of = found.lost + found.gained + found.other
    shown = len(found.changes)
    rest = f", {shown:,} of them listed (--changes lists more)" if shown < all_of else ""
    return f"changed from A to B: {several(all_of, 'image')}{rest}"


# --- documents ----------------------------------------------------------------


def _head(found: Evaluation) -> str:
    return f"{several(found.images, 'image')} of {visible(found.data)}"


def format_text(found: Evaluation) -> str:
    """Tables in columns."""
    lines = [*_titles(found), _head(found), *(f"note: {visible(note)}" for note in _list_notes(found))]
    lines += map(visible, _describe_left_out(found))
    parts = ["\n".join(lines) + "\n", _align(_summary_rows(found), (2, 3, 4))]
    parts.append(f"{_class_title(found)}\n" + _align(_class_rows(found), range(1, 10)))
    if any(each.accuracy.confusions for each in found.models):
        parts.append(f"most frequent confusions\n{_align(_confusion_rows(found), (3,))}")
    if found.agreement:
        parts.append("".join(f"{line}\n" for line in _describe_agreement(found.agreement)))
        if found.agreement.changes:
            rows = _align(_change_rows(found, found.agreement))
            parts.append(f"{_change_title(found.agreement)}\n{rows}")
    parts.append("".join(f"{line}\n" for line in _describe_speed(found)))
    return "\n".join(parts)


def _align(rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    return align_columns(list(rows), right=tuple(right))


def format_markdown(found: Evaluation) -> str:
    """The same as a comment of a pull request."""
    lines = [f"**{escape_markdown(title)}**  " for title in _titles(found)]
    lines += [escape_markdown(_head(found)), "", *_table(_summary_rows(found)), ""]
    said = (*_list_notes(found), *_describe_left_out(found))
    lines += [f"- {escape_markdown(line, 1_000)}" for line in said]
    if found.agreement:
        lines += ["", *(f"- {escape_markdown(line, 1_000)}" for line in _describe_agreement(found.agreement))]
        if found.agreement.changes:
            lines += _fold(_change_title(found.agreement), _change_rows(found, found.agreement))
    lines += _fold(_class_title(found), _class_rows(found))
    if any(each.accuracy.confusions for each in found.models):
        lines += _fold("most frequent confusions", _confusion_rows(found))
    lines += ["", *(f"- {escape_markdown(line, 1_000)}" for line in _describe_speed(found))]
    return "\n".join(lines) + "\n"


def _table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = list(rows)
    return write_table("|" + "---|" * len(lines[0]), lines)


def _fold(title: str, rows: Iterable[Sequence[str]]) -> list[str]:
    summary = f"<summary>{escape_markdown(title)}</summary>"
    return ["", "<details>", summary, "", *_table(rows), "", "</details>"]


FORMATS: dict[str, Callable[[Evaluation], str]] = {
    "text": format_text,
    "json": format_json,
    "markdown": format_markdown,
}

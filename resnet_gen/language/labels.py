"""Labels of classes that stand in a text file beside a spec, one a line, which is read where the spec is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from resnet_gen.language.serve import LONGEST_LABEL, check_label
from resnet_gen.language.source import Source, read_document
from resnet_gen.problems import Document, Span, refuse, shorten
from resnet_gen.system.links import check_named

_KEY = ("serve", "labels")
_HINT = "one label a line, in the order of the classes"


def find_labels_file(data: Any) -> str | None:
    """The file of labels that a spec names; None where it names none."""
    serve = data.get("serve") if isinstance(data, dict) else None
    name = serve.get("labels") if isinstance(serve, dict) else None
    return name if isinstance(name, str) else None


def with_labels(source: Source, path: Path | None, called: Callable[[Path], str]) -> Source:
    """What was read at a path, with the labels in place of the file beside it that it names, if it names one.

    What was read at none, but given on a command line, names files by their path from the working folder.
    Raises `Refused` for a file that is none of labels, with its line.
    """
    name = find_labels_file(source.data)
    if name is None:
        return source
    where = source.span(_KEY)
    file = path.parent / name if path else Path(name)
    if not name or "\0" in name or not file.is_file():
        beside = " beside this one" if path else ""
        raise refuse(f"serve.labels: there is no file '{shorten(name)}'{beside}", where, _HINT)
    if path:
        check_named(file, path, where, "serve.labels")
    labels = read_labels(file, called(file))
    return Source({**source.data, "serve": {**source.data["serve"], "labels": labels}}, source.marks, source.joint)


def read_labels(file: Path, shown: str) -> list[str]:
    """The labels in a text file; lines that are empty at its end are none. Raises `Refused` for anything else."""
    return parse_labels(read_document(file, shown, "text", "file of labels"))


def parse_labels(document: Document) -> list[str]:
    """The labels in the text of a file, as `read_labels` has them."""
    lines = document.text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if lines == [""]:
        raise refuse("holds no labels", document.name, _HINT)
    return [_check_line(document, number, line.strip()) for number, line in enumerate(lines)]


def check_labels(labels: Iterable[str], where: str) -> tuple[str, ...]:
    """Labels that are given as such, which messages call `where`; raises `Refused` as `read_labels`."""
    return tuple(_check_text(text.strip(), f"{where}: label {number}") for number, text in enumerate(labels))


def _check_line(document: Document, number: int, text: str) -> str:
    if 0 < len(text) <= LONGEST_LABEL and text.isprintable():
        return text  # without a place for each of a hundred thousand
    return _check_text(text, Span(document, number, 0, document.width(number)))


def _check_text(text: str, where: Span | str) -> str:
    if not text:
        raise refuse("a blank line among labels", where, "all behind it would be another class's")
    if len(text) > LONGEST_LABEL:
        raise refuse(f"a label of {len(text):,} characters", where, f"at most {LONGEST_LABEL}")
    try:
        return check_label(text)
    except PydanticCustomError as error:
        raise refuse(f"a label: {error.message()}", where, "save it as plain text") from None

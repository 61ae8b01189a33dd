"""Labelled images as a table lists them: a .csv file of paths and labels, read line by line."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from os.path import normpath
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from resnet_gen.engine.evaluation.class_names import ClassNames, describe_numbers
from resnet_gen.engine.evaluation.image_files import ImageFiles, PackedNames
from resnet_gen.engine.evaluation.labelled_images import Confine, Labels, choose_evenly
from resnet_gen.engine.evaluation.limits import MOST_CLASSES
from resnet_gen.language.source import FLOAT
from resnet_gen.problems import refuse, several, shorten
from resnet_gen.system.files import open_regular_file, why_unread

_FILE = ("file", "filename", "path", "image")
_LABEL = ("label", "class", "target")
"""What the columns of a header may be called."""
_MOST_ROWS = 2_000_000
_LONGEST = 1 << 16
"""Bytes of a line."""
_FORM = "each line is FILE,LABEL: a path from the table's folder, and an index from 0 or the name of a class"


class _Columns(NamedTuple):
    """Where in a row the path and the label stand, of how many cells; whether the first row says so."""

    file: int
    label: int
    cells: int
    is_header: bool


class _Table(NamedTuple):
    """Paths, and for each the place of its label among the labels that there are."""

    files: PackedNames
    places: array[int]
    labels: list[str]


def open_table(path: Path, names: ClassNames | None, most: int | None, confine: Confine) -> ImageFiles:
    """The pictures that a table lists, each once; paths start from the folder that the table lies in."""
    table = _read_table(path)
    if not table.files:
        raise refuse("it lists no images", str(path), _FORM)
    classes, labels = _resolve_labels(table, names, path)
    chosen = choose_evenly(len(table.files), most)
    notes = (names.describe_order() if names else describe_numbers(classes), _describe_sorted(classes, names))
    return ImageFiles(
        where=str(path),
        labels=labels[np.asarray(table.places, np.int64)[chosen]],
        chosen=chosen,
        total=len(table.files),
        classes=classes,
        notes=tuple(filter(None, notes)),
        folder=path.parent,
        files=table.files,
        confine=confine,
    )


def _describe_sorted(classes: Sequence[str], names: ClassNames | None) -> str | None:
    if names or not classes:
        return None
    return f"labels are names, taken as classes in their sorted order: 0 is '{shorten(classes[0])}'"


def _read_table(path: Path) -> _Table:
    files, places, labels, hashes = PackedNames(), array("q"), dict[str, int](), array("q")
    for name, label in _read_rows(path):
        if len(files) == _MOST_ROWS:
            raise refuse(f"more than {_MOST_ROWS:,} images", str(path), "evaluate it in parts")
        files.add(name)
        hashes.append(hash(normpath(name)))
        places.append(labels.setdefault(label, len(labels)))
        if len(labels) > MOST_CLASSES:
            raise refuse(f"more than {MOST_CLASSES:,} different labels", str(path), _FORM)
    if twice := _find_double(files, hashes):
        raise refuse(f"'{shorten(twice)}' is listed twice", str(path), "each image counts once")
    return _Table(files, places, list(labels))


def _find_double(files: PackedNames, hashes: array[int]) -> str | None:
    """A name that is there twice, as it is written the second time."""
    order = np.argsort(np.asarray(hashes, np.int64), kind="stable")
    same = np.flatnonzero(np.diff(np.asarray(hashes, np.int64)[order]) == 0)
    pairs = ((files[int(order[at])], files[int(order[at + 1])]) for at in same)
    return next((second for first, second in pairs if normpath(first) == normpath(second)), None)


def _read_rows(path: Path) -> Iterator[tuple[str, str]]:
    """The path and the label of each row."""
    try:
        with open_regular_file(path) as stream:
            rows = csv.reader(_read_lines(stream, path), strict=True)
            first = next((cells for cells in rows if cells), [])
            columns = _find_columns(first, path)
            if not columns.is_header:
                yield first[columns.file], first[columns.label].strip()
            for cells in filter(None, rows):
                if len(cells) != columns.cells:
                    found = f"line {rows.line_num:,} has {several(len(cells), 'cell')}, not {columns.cells:,}"
                    raise refuse(found, str(path), _FORM)
                yield cells[columns.file], cells[columns.label].strip()
    except csv.Error as error:
        raise refuse(f"not a table: {error}", str(path), _FORM) from None
    except FileNotFoundError:
        raise refuse("there is no such file", str(path)) from None
    except OSError as error:
        raise refuse(why_unread(error), str(path)) from None


def _read_lines(stream: IO[bytes], path: Path) -> Iterator[str]:
    """Lines of UTF-8, none of them long."""
    encoding = "utf-8-sig"
    while line := stream.readline(_LONGEST + 1):
        if len(line) > _LONGEST:
            raise refuse(f"a line of more than {_LONGEST:,} bytes", str(path), _FORM)
        try:
            yield line.decode(encoding)
        except UnicodeDecodeError:
            raise refuse("not UTF-8 text", str(path), "save it as UTF-8") from None
        encoding = "utf-8"


def _find_columns(first: Sequence[str], path: Path) -> _Columns:
    """The columns that a header names, or else of just two; raises `Refused` for a table of others."""
    words = [cell.strip().lower() for cell in first]
    file, label = (next((words.index(word) for word in known if word in words), None) for known in (_FILE, _LABEL))
    if file is not None and label is not None:
        return _Columns(file, label, len(first), is_header=True)
    if len(first) != 2:
        message = f"its first line has {several(len(first), 'cell')} and names no columns" if first else "empty"
        raise refuse(message, str(path), _FORM)
    return _Columns(0, 1, 2, is_header=False)


def _resolve_labels(table: _Table, names: ClassNames | None, path: Path) -> tuple[tuple[str, ...], Labels]:
    """The names of the classes, if any, and the class that each of the labels is."""
    if names:
        return names.names, np.array([_locate(label, names, path) for label in table.labels], np.int64)
    if all(map(_is_index, table.labels)):
        return (), np.array([int(label) for label in table.labels], np.int64)
    if all(map(_is_number, table.labels)):
        number = next(label for label in table.labels if not _is_index(label))
        raise refuse(f"label '{shorten(number)}' is a number and no index from 0", str(path), _FORM)
    mixed = next((label for label in table.labels if _is_index(label) or not label), None)
    if mixed is not None:
        raise refuse(f"label '{shorten(mixed)}' stands among names", str(path), _FORM)
    classes = sorted(table.labels)
    places = {name: place for place, name in enumerate(classes)}
    return tuple(classes), np.array([places[label] for label in table.labels], np.int64)


def _locate(label: str, names: ClassNames, path: Path) -> int:
    """The class of that name, or else of that index."""
    if _is_index(label) and names.find(label) is None and int(label) < len(names.names):
        return int(label)
    return names.locate(label, str(path))


def _is_number(label: str) -> bool:
    """Whether it is what programs write for a number, such as `1.0` for an index in a table with gaps."""
    return FLOAT.match(label) is not None


def _is_index(label: str) -> bool:
    return re.fullmatch("[0-9]{1,9}", label) is not None

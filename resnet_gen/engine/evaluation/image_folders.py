"""Labelled images as torchvision's ImageFolder has them: a folder for each class, and pictures below it."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resnet_gen.engine.evaluation.class_names import ClassNames, describe_numbers
from resnet_gen.engine.evaluation.image_files import ImageFiles, PackedNames
from resnet_gen.engine.evaluation.labelled_images import Confine, choose_evenly
from resnet_gen.engine.image import SUFFIXES
from resnet_gen.problems import refuse, several, shorten

_LAYOUT = "each class is a folder of its pictures, as in DATA/cat/1.jpg"


class _ClassFolder(NamedTuple):
    name: str
    label: int


class _FoundFiles(NamedTuple):
    """Pictures by their paths, the class of each, and how many other files there are."""

    files: PackedNames
    labels: array[int]
    others: int


def open_folders(path: Path, names: ClassNames | None, most: int | None, confine: Confine) -> ImageFiles:
    """The pictures in the class folders of a folder; what is hidden is left out."""
    folders = _list_class_folders(path, names)
    for folder in folders:
        confine(path / folder.name)
    found = _list_pictures(path, folders)
    if not found.files:
        raise refuse("no pictures in its class folders", str(path), f"it looks for {', '.join(sorted(SUFFIXES))}")
    chosen = choose_evenly(len(found.files), most)
    classes = names.names if names else tuple(folder.name for folder in folders)
    return ImageFiles(
        where=str(path),
        labels=np.asarray(found.labels, np.int64)[chosen],
        chosen=chosen,
        total=len(found.files),
        classes=classes,
        notes=tuple(_list_notes(path, found, classes, names)),
        folder=path,
        files=found.files,
        confine=confine,
    )


def _list_class_folders(path: Path, names: ClassNames | None) -> list[_ClassFolder]:
    """The class folders in the order of their names, and the class that each stands for."""
    try:
        entries = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror or error}", str(path)) from None
    folders = [name for name in entries if (path / name).is_dir()]
    loose = [name for name in entries if _is_picture(name) and name not in folders]
    if loose:
        message = f"{several(len(loose), 'picture')} in no class folder, '{shorten(loose[0])}' first"
        raise refuse(message, str(path), f"{_LAYOUT}; a .csv file names a label for each")
    if not folders:
        raise refuse("no class folders in it", str(path), _LAYOUT)
    if names is None:
        return [_ClassFolder(name, label) for label, name in enumerate(folders)]
    return [_ClassFolder(name, names.locate(name, str(path / name))) for name in folders]


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - a path object for each of millions


def _list_pictures(path: Path, folders: Sequence[_ClassFolder]) -> _FoundFiles:
    files, labels, others = PackedNames(), array("q"), 0
    for folder in folders:
        for name in _walk_files(path, folder.name):
            if _is_picture(name):
                files.add(name)
                labels.append(folder.label)
            else:
                others += 1
    return _FoundFiles(files, labels, others)


def _walk_files(root: Path, folder: str) -> Iterator[str]:
    """The files below a folder by their paths from the root, in the order of names; links to folders end there."""
    left = [folder]
    while left:
        here = left.pop()
        if here.count(os.sep) > _DEEPEST:
            raise refuse(f"folders in more than {_DEEPEST} folders", str(root / folder))
        try:
            with os.scandir(root / here) as found:
                entries = sorted(found, key=lambda each: each.name)
        except OSError as error:
            raise refuse(f"cannot be read: {error.strerror or error}", str(root / here)) from None
        shown = [each for each in entries if not each.name.startswith(".")]
        inner = [each for each in shown if each.is_dir(follow_symlinks=False)]
        left += [os.path.join(here, each.name) for each in reversed(inner)]  # noqa: PTH118 - as in _is_picture
        yield from (os.path.join(here, each.name) for each in shown if not os.path.isdir(each))  # noqa: PTH112, PTH118


_DEEPEST = 100


def _list_notes(path: Path, found: _FoundFiles, classes: Sequence[str], names: ClassNames | None) -> Iterator[str]:
    if note := names.describe_order() if names else describe_numbers(classes):
        yield note
    empty = len(classes) - len(set(found.labels))
    if empty:
        yield f"{path}: {empty:,} of {len(classes):,} classes without pictures"
    if found.others:
        yield f"{path}: {several(found.others, 'file')} left out: by their names no pictures"

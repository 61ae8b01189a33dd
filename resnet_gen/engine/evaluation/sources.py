"""Labelled images by the name of their source: a folder, a table, or arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from resnet_gen.engine.evaluation.class_names import ClassNames, read_class_names
from resnet_gen.engine.evaluation.image_arrays import open_arrays
from resnet_gen.engine.evaluation.image_folders import open_folders
from resnet_gen.engine.evaluation.image_table import open_table
from resnet_gen.engine.evaluation.labelled_images import Confine, LabelledImages, permit_all
from resnet_gen.problems import refuse

_HINT = "--data takes a folder of class folders, FILE.csv of file and label, or FILE.npz of images and labels"
_READERS: dict[str, Callable[[Path, ClassNames | None, int | None, Confine], LabelledImages]] = {
    ".csv": open_table,
    ".npz": open_arrays,
}


def open_labelled_images(
    source: str, classes_file: Path | None = None, most: int | None = None, confine: Confine = permit_all
) -> LabelledImages:
    """The images of a folder, a table or arrays, at most so many; raises `Refused` for what is none of these.

    A file of class names says which class is which output; without one, names are sorted.
    """
    path = Path(source)
    for file in filter(None, (path if source else None, classes_file)):
        confine(file)
    names = read_class_names(classes_file) if classes_file else None
    if not source or not _is_there(path):
        raise refuse("there is no such file or folder", source, _HINT)
    if path.is_dir():
        return open_folders(path, names, most, confine)
    if path.suffix.lower() not in _READERS:
        raise refuse("neither a folder nor a .csv or .npz file", source, _HINT)
    return _READERS[path.suffix.lower()](path, names, most, confine)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except ValueError:  # what no file can be called
        return False

"""Labelled images of an .npz: `images`, uint8 (N, H, W, C) or float (N, C, H, W), and `labels`, indices from 0."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from resnet_gen.engine.evaluation.class_names import ClassNames
from resnet_gen.engine.evaluation.labelled_images import (
    BrokenImage,
    Confine,
    LabelledImages,
    Labels,
    ReadImage,
    choose_evenly,
)
from resnet_gen.engine.file_serving import ImageForm
from resnet_gen.engine.image import list_pixel_shapes
from resnet_gen.ops import Shape
from resnet_gen.problems import refuse, shorten
from resnet_gen.weights.base import Array
from resnet_gen.weights.formats.archive import ZIP_ERRORS, open_archive
from resnet_gen.weights.formats.npy import HEADER_ERRORS, NpyHeader, read_header, read_values, to_float32

_IMAGES, _LABELS = "images.npy", "labels.npy"
_ERRORS = (*ZIP_ERRORS, *HEADER_ERRORS)
_FORM = "numpy.savez(FILE, images=..., labels=...): uint8 (N, H, W, C) or float (N, C, H, W), and N indices from 0"
_UNPACKED, _UNPACKED_EACH = 1 << 29, 16
"""Bytes that the images may unpack to, and how many more for each byte of the file."""
_IMAGES_ALWAYS, _BYTES_EACH = 20_000, 4
"""Images that any file may hold, and bytes of the file for each more: each takes time, however small it is."""
_LABELS_HELD, _LABELS_HELD_EACH = 16 << 20, 2
"""The same of the labels, which are all held."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageArrays(LabelledImages):
    """The images of one array in a zip file, of which one at a time is unpacked."""

    path: Path
    shape: Shape
    dtype: np.dtype[Any]

    def name(self, index: int) -> str:
        return f"image {self.chosen[index]}"

    def walk(self, forms: Sequence[ImageForm]) -> Iterator[ReadImage | BrokenImage]:
        for form in forms:
            self._check_shape(form)
        try:
            with open_archive(self.path) as archive, archive.open(_IMAGES) as stream:
                read_header(stream)
                yield from self._read_images(stream, forms)
        except _ERRORS as error:
            raise refuse(f"'{_IMAGES}' is damaged: {error}", str(self.path)) from None

    def _read_images(self, stream: IO[bytes], forms: Sequence[ImageForm]) -> Iterator[ReadImage]:
        at = 0
        for index, wanted in enumerate(self.chosen):
            for _ in range(at, int(wanted) + 1):
                values = read_values(stream, self.shape[1:], self.dtype)
            at = int(wanted) + 1
            yield ReadImage(index, tuple(_prepare(values, form) for form in forms))

    def _check_shape(self, form: ImageForm) -> None:
        """Refuse images that a network does not take as they are."""
        taken = form.taken
        if form.serving.input and self.dtype != np.uint8:
            raise refuse("its images are floats, and the model takes pixels", str(self.path), "write uint8 NxHxWxC")
        if self.shape[1:] not in (list_pixel_shapes(taken) if self.dtype == np.uint8 else [taken.shape]):
            h, w = taken.size
            found = f"its images are {self.dtype} {'x'.join(map(str, self.shape))}, not for this network"
            hint = f"write uint8 Nx{h}x{w}x{taken.channels}, or float Nx{taken.channels}x{h}x{w}, normalized"
            raise refuse(found, str(self.path), hint)


def _prepare(values: npt.NDArray[Any], form: ImageForm) -> Array:
    if values.dtype == np.uint8:
        return form.convert(values)
    return to_float32(values)


def open_arrays(path: Path, names: ClassNames | None, most: int | None, confine: Confine) -> ImageArrays:
    """The images of an .npz; raises `Refused` for arrays that are none, and for what is out of all proportion."""
    try:
        with open_archive(path) as archive:
            images = _read_member_header(archive, _IMAGES, path)
            labels = _read_labels(archive, path)
            size = path.stat().st_size
    except FileNotFoundError:
        raise refuse("there is no such file", str(path)) from None
    except _ERRORS as error:
        raise refuse(f"damaged, or no .npz file: {shorten(str(error))}", str(path), _FORM) from None
    _check_images(images, size, path)
    if len(labels) != images.shape[0]:
        raise refuse(f"{images.shape[0]:,} images and {len(labels):,} labels", str(path), _FORM)
    if not len(labels):
        raise refuse("no images in it", str(path), _FORM)
    chosen = choose_evenly(len(labels), most)
    return ImageArrays(
        where=str(path),
        labels=labels[chosen],
        chosen=chosen,
        total=len(labels),
        classes=names.names if names else (),
        notes=tuple(filter(None, [names.describe_order() if names else None])),
        path=path,
        shape=images.shape,
        dtype=images.dtype,
    )


def _read_member_header(archive: zipfile.ZipFile, name: str, path: Path) -> NpyHeader:
    if name not in archive.namelist():
        raise refuse(f"holds no array '{name.removesuffix('.npy')}'", str(path), _FORM)
    with archive.open(name) as stream:
        return read_header(stream)


def _check_images(header: NpyHeader, size: int, path: Path) -> None:
    unsuitable = header.dtype.kind != "f" and header.dtype != np.uint8
    if header.fortran or unsuitable or len(header.shape) not in (3, 4):
        order = ", in Fortran's order" if header.fortran else ""
        found = f"{shorten(str(header.dtype))} of {len(header.shape)} dimensions{order}"
        raise refuse(f"'images' is {found}, not images", str(path), _FORM)
    if math.prod(header.shape) * header.dtype.itemsize > _UNPACKED + _UNPACKED_EACH * size:
        raise refuse("'images' is out of proportion to the file", str(path))
    if header.shape[0] > _IMAGES_ALWAYS + size // _BYTES_EACH:
        hint = "write it without compression: numpy.savez"
        raise refuse(f"{header.shape[0]:,} images are out of proportion to the file", str(path), hint)


def _read_labels(archive: zipfile.ZipFile, path: Path) -> Labels:
    header = _read_member_header(archive, _LABELS, path)
    if len(header.shape) != 1 or header.dtype.kind not in "iu":
        found = f"{shorten(str(header.dtype))} of {len(header.shape)} dimensions"
        raise refuse(f"'labels' is {found}, not one index for each image", str(path), _FORM)
    size = header.shape[0] * header.dtype.itemsize
    if size > _LABELS_HELD + _LABELS_HELD_EACH * path.stat().st_size:
        raise refuse("'labels' is out of proportion to the file", str(path))
    with archive.open(_LABELS) as stream:
        read_header(stream)
        data = stream.read(size)
    if len(data) < size:
        raise EOFError("'labels' ends early")
    values = np.frombuffer(data, header.dtype)
    beyond = values[(values < 0) | (values > np.iinfo(np.int64).max)]
    if len(beyond):
        raise refuse(f"label {beyond[0]:,}: labels are indices from 0", str(path), _FORM)
    labels: Labels = values.astype(np.int64)
    return labels

"""Images to calibrate with: a folder of pictures, an .npz, or random ones, read one at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import numpy as np

from resnet_gen.engine.image import SUFFIXES, SmallerPictureWarning, list_pixel_shapes, normalize_pixels, read_image
from resnet_gen.language.spec import Input
from resnet_gen.problems import Problem, Refused, refuse, several, shorten
from resnet_gen.system.digest import digest_file, digest_files
from resnet_gen.weights.base import Array
from resnet_gen.weights.formats.archive import ZIP_ERRORS, open_archive
from resnet_gen.weights.formats.npy import HEADER_ERRORS, NpyHeader, read_header, read_values, to_float32

RANDOM = "random"
_ERRORS = (*ZIP_ERRORS, *HEADER_ERRORS)
_RANDOM_IMAGES = 8
_MOST_NAMED = 10
_SOURCES = "--calibration takes a folder of pictures, an .npz file or 'random'"


class Images(Protocol):
    """Images that calibrate a network: each as the network takes it, float32 (C, H, W)."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Array]: ...

    def entry(self) -> dict[str, Any]:
        """What a manifest says of them."""


@dataclass(frozen=True)
class ImageFolder:
    """Pictures in the order of their paths; resized, cropped and normalized as the spec says."""

    paths: tuple[Path, ...]
    to: Input

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Array]:
        broken: list[Problem] = []
        for path in self.paths:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", SmallerPictureWarning)  # a camera's are all such
                    image = read_image(path, self.to)[0]
            except Refused as refused:
                broken += refused.problems
                continue
            if not broken:  # else the rest is read only to name what is broken in it
                yield image
        if broken:
            more = len(broken) - _MOST_NAMED
            raise Refused(
                [*_each_hint_once(broken[:_MOST_NAMED]), *([Problem(f"and {more} more")] if more > 0 else [])]
            )

    def take(self, places: Collection[int]) -> ImageFolder:
        """Those at some places, from 0."""
        return replace(self, paths=tuple(path for place, path in enumerate(self.paths) if place in places))

    def entry(self) -> dict[str, Any]:
        """How many, and the hash of their hashes."""
        return {"source": "folder", "images": len(self), "sha256": digest_files(self.paths)}


def _each_hint_once(problems: list[Problem]) -> list[Problem]:
    """The problems, a hint only with the last that has it."""
    last = {problem.hint: problem for problem in problems}
    return [problem if last[problem.hint] is problem else replace(problem, hint=None) for problem in problems]


@dataclass(frozen=True)
class ImageArchive:
    """Images of one array: float (N, C, H, W) as the network takes them, or uint8 (N, H, W, C) to be normalized.

    Of its first `count` those are used whose places are not in `skipped`.
    """

    path: Path
    name: str
    count: int
    stored: tuple[int, ...]
    dtype: np.dtype[Any]
    to: Input
    skipped: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return self.count - len(self.skipped)

    def __iter__(self) -> Iterator[Array]:
        try:
            with open_archive(self.path) as archive, archive.open(self.name) as stream:
                _read_header(stream)
                for place in range(self.count):
                    image = read_values(stream, self.stored[1:], self.dtype)
                    if place not in self.skipped:
                        yield self._normalize_image(image)
        except _ERRORS as error:
            raise refuse(f"'{self.name}' is damaged: {error}", str(self.path)) from None

    def _normalize_image(self, values: np.ndarray[Any, Any]) -> Array:
        if self.dtype == np.uint8:
            pixels: Array = normalize_pixels(values, self.to)[0]
            return pixels
        return to_float32(values)

    def take(self, places: Collection[int]) -> ImageArchive:
        """Those at some places, from 0, of all that it has."""
        used = [place for place in range(self.count) if place not in self.skipped]
        chosen = [place for index, place in enumerate(used) if index in places]
        count = max(chosen, default=-1) + 1
        return replace(self, count=count, skipped=frozenset(range(count)).difference(chosen))

    def entry(self) -> dict[str, Any]:
        """The file by its name and hash."""
        return {"source": "npz", "file": self.path.name, "images": len(self), "sha256": digest_file(self.path)}


@dataclass(frozen=True)
class RandomImages:
    """Normal noise: it shows that a build works, and says nothing of accuracy."""

    to: Input
    seed: int = 0
    count: int = _RANDOM_IMAGES

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Array]:
        generator = np.random.default_rng(self.seed)
        for _ in range(self.count):
            yield generator.standard_normal(self.to.shape, np.float32)

    def entry(self) -> dict[str, Any]:
        """That they are random, which a manifest has to say."""
        return {"source": "random", "images": self.count, "seed": self.seed}


class ImageSplit(NamedTuple):
    """Images in two parts: those that ranges follow from, and those that are held out, to measure what comes of it.

    There are none held out of few images, nor of random ones.
    """

    calibrating: Images
    held_out: ImageFolder | ImageArchive | None = None

    @property
    def measured(self) -> Images:
        """What errors are measured on."""
        return self.held_out or self.calibrating


def split_images(source: str, to: Input, most: int) -> ImageSplit:
    """At most `most` images to calibrate with, and up to eight others; raises `Refused` if there are none.

    Eight are held out if so many are left, else up to a quarter of all: evenly spaced ones, the same every time.
    """
    found = open_undivided(source, to, most)
    if isinstance(found, RandomImages):
        return ImageSplit(found)
    count = len(found)
    number = min(MOST_HELD_OUT, max(count - most, count // _EACH_HELD_OUT))
    apart = {(2 * i + 1) * count // (2 * number) for i in range(number)}
    rest = found.take(set(range(count)) - apart)
    return ImageSplit(rest, found.take(apart) if apart else None)


def open_undivided(source: str, to: Input, most: int) -> ImageFolder | ImageArchive | RandomImages:
    """All images that `split_images` divides; raises `Refused` if there are none."""
    return open_images(source, to, most if source == RANDOM else most + MOST_HELD_OUT)


MOST_HELD_OUT = 8
"""Images that errors are measured on."""
_EACH_HELD_OUT = 4
"""Of so many images one is held out, where none is left over."""


def open_images(source: str, to: Input, most: int) -> ImageFolder | ImageArchive | RandomImages:
    """At most `most` images of a folder, an .npz or `random`; raises `Refused` if there are none."""
    if source == RANDOM:
        return RandomImages(to, count=min(most, _RANDOM_IMAGES))
    path = Path(source)
    if source and path.is_dir():
        return _open_folder(path, to, most)
    if path.is_file():
        return _open_archive(path, to, most)
    raise refuse("there is no such file or folder", source, _SOURCES)


def confine_pictures(path: Path, confine: Callable[[Path], None]) -> None:
    """Hand each link among the pictures of a folder to `confine`, which raises `Refused` for one that may not be."""
    for picture in _list_pictures(path) if path.is_dir() else ():
        if picture.is_symlink():
            confine(picture)


def _list_pictures(path: Path) -> list[Path]:
    """The pictures below a folder, but for hidden ones and those in hidden folders; links to folders end there."""
    found = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return sorted(p for p in found if not any(step.startswith(".") for step in p.relative_to(path).parts))


def _open_folder(path: Path, to: Input, most: int) -> ImageFolder:
    found = _list_pictures(path)
    if not found:
        raise refuse("no pictures in this folder", str(path), f"it looks for {', '.join(sorted(SUFFIXES))}")
    # Folders of data sets are sorted by class: evenly spaced pictures show all classes.
    step = max(1.0, len(found) / most)
    chosen = [found[int(i * step)] for i in range(min(most, len(found)))]
    return ImageFolder(tuple(chosen), to)


def _open_archive(path: Path, to: Input, most: int) -> ImageArchive:
    try:
        with open_archive(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            name = "images.npy" if "images.npy" in names else next(iter(names), "")
            if not name or (len(names) > 1 and name != "images.npy"):
                raise refuse(f"holds {several(len(names), 'array')}", str(path), "call the one to use 'images'")
            with archive.open(name) as stream:
                shape, fortran, dtype, _ = _read_header(stream)
    except _ERRORS as error:
        raise refuse(f"not an .npz file of images: {shorten(str(error))}", str(path), _SOURCES) from None
    wanted = list_pixel_shapes(to) if dtype == np.uint8 else [to.shape]
    if fortran or dtype.kind not in "fu" or (dtype.kind == "u" and dtype != np.uint8) or shape[1:] not in wanted:
        found = f"{dtype} {'x'.join(map(str, shape))}"
        h, w = to.size
        hint = f"write float32 Nx{to.channels}x{h}x{w}, normalized, or uint8 Nx{h}x{w}x{to.channels}, C order"
        raise refuse(f"its array is {found}, not images for this network", str(path), hint)
    if not shape[0]:
        raise refuse("its array has no images", str(path))
    return ImageArchive(path, name, min(shape[0], most), shape, dtype, to)


def _read_header(stream: IO[bytes]) -> NpyHeader:
    """The header of a .npy, whose data come next."""
    header = read_header(stream)
    if header.dtype.hasobject:
        raise ValueError("it holds Python objects, which would execute code")
    return header

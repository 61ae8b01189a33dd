"""The batch of a build, or the range of TensorRT's optimization profile: parsed and checked."""

from __future__ import annotations

from typing import NamedTuple

from resnet_gen.build.request import BuildBatch
from resnet_gen.build.shapes import parse_shapes
from resnet_gen.engine.tensorrt import Profile
from resnet_gen.language.engine_options import MOST_PROFILES, ShapeProfile
from resnet_gen.language.lower import INPUT
from resnet_gen.ops.limits import BATCHES, SIDES
from resnet_gen.ops.serving import ANY_SIDE
from resnet_gen.problems import refuse, shorten


class ShapeOptions(NamedTuple):
    """The options that say shapes, as trtexec and Polygraphy call them: one, or ranges, each of which is a profile."""

    shapes: str | None = None
    min_shapes: tuple[str, ...] = ()
    opt_shapes: tuple[str, ...] = ()
    max_shapes: tuple[str, ...] = ()

    def batch(self) -> BuildBatch | None:
        """The batch that they come to; None where none is given. Raises `Refused` if they do not go together."""
        given = {f"--{name.replace('_', '-')}": texts for name, texts in self._asdict().items() if texts}
        if not given:
            return None
        if sorted(given) not in (["--shapes"], ["--max-shapes", "--min-shapes", "--opt-shapes"]):
            hint = "give --shapes alone, or all of --min-shapes, --opt-shapes and --max-shapes"
            raise refuse(f"{' and '.join(given)}: neither one shape nor a range", hint=hint)
        if self.shapes:
            first, *image = _parse_image_shape("--shapes", self.shapes)
            return _make_batch([first], "--shapes")._replace(image=tuple(image))
        return _make_profiles(given)


def _make_profiles(given: dict[str, tuple[str, ...]]) -> BuildBatch:
    """The batch of one or several ranges; each option comes once a range."""
    options = ", ".join(given)
    if len({len(texts) for texts in given.values()}) > 1:
        raise refuse(f"{options}: not as many of each", hint="a profile has one of each")
    if len(given["--min-shapes"]) > MOST_PROFILES:
        raise refuse(f"{options}: more than {MOST_PROFILES} profiles")
    columns = [[_parse_image_shape(option, text) for text in texts] for option, texts in given.items()]
    ranges = list(zip(*columns, strict=True))
    images = {shape[1:] for steps in ranges for shape in steps}
    symbolic, axis = len(images) > 1, _find_channels(images)
    found = [_make_profile(steps, options, axis, symbolic=symbolic) for steps in ranges]
    first, *_ = [_make_batch(list(shapes.batches), options) for shapes in found]
    image = [*ranges[0][0][1:]]
    if symbolic:
        image = [side if place == axis else ANY_SIDE for place, side in enumerate(image)]
    return first._replace(image=tuple(image), shapes=tuple(found) if symbolic or len(found) > 1 else ())


def _find_channels(images: set[tuple[int, ...]]) -> int:
    """Where channels stand in images of several sizes, first or last: in what is the same in all, the lesser of two."""
    same = [axis for axis in (0, -1) if len({image[axis] for image in images}) == 1]
    if not same:
        raise refuse("shapes of a range differ in their channels", hint="only batch, height and width may be symbolic")
    some = min(images)
    return min(same, key=lambda axis: some[axis]) % len(some)


def _make_profile(steps: tuple[tuple[int, ...], ...], options: str, axis: int, *, symbolic: bool) -> ShapeProfile:
    rows = 1 if axis == 0 else 0
    sizes = tuple((image[rows], image[rows + 1]) for _, *image in steps)
    sides = [[size[place] for size in sizes] for place in (0, 1)]
    if any(side != sorted(side) for side in sides):
        shown = ":".join(f"{height}x{width}" for height, width in sizes)
        raise refuse(f"{options}: '{shown}' does not rise", hint="write the smallest, the one tuned for, the largest")
    if max(map(max, sides)) > SIDES.most:
        raise refuse(f"{options}: a side of {max(map(max, sides)):,} is too large", hint=f"at most {SIDES.most:,}")
    least, best, most = (batch for batch, *_ in steps)
    return ShapeProfile((least, best, most), sizes if symbolic else ())


NO_SHAPES = ShapeOptions()


def _parse_image_shape(option: str, text: str) -> tuple[int, ...]:
    shapes = parse_shapes(text, option)
    name, shape = next(iter(shapes.items()))
    if len(shapes) > 1 or name not in ("", INPUT) or len(shape) != 4:
        hint = f"write {INPUT}:8x3x224x224"
        raise refuse(f"{option}: '{shorten(text)}' is not the shape of one batch called '{INPUT}'", hint=hint)
    return shape


def resolve_batch(batch: str | None, shapes: ShapeOptions) -> BuildBatch:
    """The batch that either option asks for; raises `Refused` for both."""
    from_shapes = shapes.batch()
    if from_shapes and batch is not None:
        raise refuse("--batch and shapes both say how large a batch is", hint="leave one of them away")
    return from_shapes or parse_batch(batch)


def parse_batch(text: str | None) -> BuildBatch:
    """`8`, or `1:8:32` for smallest, tuned-for and largest; raises `Refused` for anything else."""
    if text is None:
        return BuildBatch()
    parts = text.split(":")
    if len(parts) not in (1, 3) or not all(_is_batch(p) for p in parts):
        hint = f"write --batch 8, or --batch 1:8:32 for a range; 1 to {BATCHES.most:,}"
        raise refuse(f"--batch: '{shorten(text)}' is not a batch", hint=hint)
    return _make_batch([int(part) for part in parts], "--batch")


def _make_batch(numbers: list[int], option: str) -> BuildBatch:
    if max(numbers) > BATCHES.most:
        raise refuse(f"{option}: a batch of {max(numbers):,} is too large", hint=f"at most {BATCHES.most:,}")
    if len(numbers) == 1:
        return BuildBatch(fixed=numbers[0])
    if numbers != sorted(numbers):
        shown = ":".join(map(str, numbers))
        raise refuse(f"{option}: '{shown}' does not rise", hint="write the smallest, the one tuned for, the largest")
    return BuildBatch(profile=Profile(*numbers))


def _is_batch(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0

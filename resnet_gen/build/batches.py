"""The batch of a build, or the range of TensorRT's optimization profile: parsed and checked."""

from __future__ import annotations

from typing import NamedTuple

from resnet_gen.build.request import BuildBatch
from resnet_gen.build.shapes import parse_shapes
from resnet_gen.engine.tensorrt import Profile
from resnet_gen.language.lower import INPUT
from resnet_gen.ops.limits import BATCHES
from resnet_gen.problems import refuse, shorten


class ShapeOptions(NamedTuple):
    """The options that say shapes, as trtexec and Polygraphy call them: one, or a range."""

    shapes: str | None = None
    min_shapes: str | None = None
    opt_shapes: str | None = None
    max_shapes: str | None = None

    def batch(self) -> BuildBatch | None:
        """The batch that they come to; None where none is given. Raises `Refused` if they do not go together."""
        given = {f"--{name.replace('_', '-')}": text for name, text in self._asdict().items() if text is not None}
        if not given:
            return None
        if sorted(given) not in (["--shapes"], ["--max-shapes", "--min-shapes", "--opt-shapes"]):
            hint = "give --shapes alone, or all of --min-shapes, --opt-shapes and --max-shapes"
            raise refuse(f"{' and '.join(given)}: neither one shape nor a range", hint=hint)
        (first, *images), *others = (_parse_image_shape(option, text) for option, text in given.items())
        if any(image != images for _, *image in others):
            raise refuse("shapes of a range differ in more than the batch", hint="only the batch may be symbolic")
        sizes = [first, *(n for n, *_ in others)]
        return _make_batch(sizes, ", ".join(given))._replace(image=tuple(images))


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

"""`wrap`: anybody's ONNX file with pixels before it, classes behind it, or other ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from resnet_gen.cli import options
from resnet_gen.cli.output import say
from resnet_gen.onnx.wrapping.request import (
    DEFAULT_START,
    IMAGENET,
    INPUT_TYPES,
    NONE,
    OPEN,
    OUTPUT_WORDS,
    SCALES,
    STARTS,
    WrapRequest,
    parse_numbers,
)
from resnet_gen.ops.limits import BATCHES, CLASSES, SIDES
from resnet_gen.ops.serving_words import CHANNEL_ORDERS, LAYOUTS
from resnet_gen.problems import refuse, shorten, visible
from resnet_gen.weights.seeds import DEFAULT_SEED, SEEDS


@click.command(short_help="Put pixels before an ONNX file, and classes behind it.")
@click.argument("file", type=options.FILE)
@click.option("-o", "--output", "out", type=options.FILE, required=True, help="ONNX file to write.")
@click.option("--input-type", type=click.Choice(INPUT_TYPES), help="What the file is to take.  [default: as it does]")
@click.option("--layout", type=click.Choice(LAYOUTS), help="Whether channels stand first or last there.")
@click.option("--channel-order", type=click.Choice(CHANNEL_ORDERS), help="BGR: channels are turned around.")
@click.option("--mean", metavar="A,B,C|imagenet|none",
              help="Mean of each channel, of values in 0..1.  [default: that of the spec in the file]")  # fmt: skip
@click.option("--std", metavar="A,B,C", help="Standard deviation of each channel.")
@click.option("--scale", type=click.Choice(SCALES),
              help="The greatest pixel.  [default: 255 where pixels are normalized]")  # fmt: skip
@click.option("--any-size", is_flag=True, help="Take pictures of any size, which the graph resizes and crops.")
@click.option("--crop", type=float, metavar="PART",
              help="Part of a side that the crop keeps.  [default: that of the spec in the file]")  # fmt: skip
@click.option("--outputs", metavar="WORDS", help=f"What it is to output, with commas: {OUTPUT_WORDS}.")
@click.option("--labels", type=options.FILE, help="Text file with what the classes are called, a line each.")
@click.option("--cut", "cuts", multiple=True, metavar="TENSOR", help="End at this tensor; may be given several times.")
@click.option("--cut-input", metavar="TENSOR", help="Begin at this tensor.")
@click.option("--rename", "renames", multiple=True, metavar="OLD=NEW", help="Rename an input or an output.")
@click.option("--batch", metavar="N|open", help="Fix the batch, or leave it open.")
@click.option("--size", metavar="HxW|open", help="Fix rows and columns, or leave them open.")
@click.option("--classes", type=click.IntRange(*CLASSES), help="Replace the last layer by one of so many classes.")
@click.option("--start", type=click.Choice(STARTS), help=f"What its weights start from.  [default: {DEFAULT_START}]")
@click.option("--seed", type=click.IntRange(*SEEDS), help=f"Seed of these weights.  [default: {DEFAULT_SEED}]")
@click.option("--no-proof", is_flag=True, help="Write it without running both files and comparing them.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def wrap(file: Path, out: Path, no_proof: bool, force: bool, **choices: Any) -> None:
    """Wrap anybody's ONNX file, through onnx-graphsurgeon: what it takes, what it outputs, where it ends.

    Says what it did, writes a manifest beside the file, and runs both on the same
    random images with ONNX Runtime: the inside must compute the same.

    \b
    Example: resnet-gen wrap model.onnx -o served.onnx --input-type uint8 --layout NHWC --mean imagenet
             resnet-gen wrap model.onnx -o served.onnx --outputs probabilities,top5 --labels names.txt
             resnet-gen wrap model.onnx -o any.onnx --batch open --rename 495=logits
             resnet-gen wrap model.onnx -o backbone.onnx --cut /layer4/Relu_output_0
    """
    from resnet_gen.build.wrap import wrap_file

    made = wrap_file(file, out, _make_request(choices), replace=force, proof=not no_proof)
    for line in made.changes:
        say(visible(line), err=True)
    for line in made.proof.describe() if made.proof else ["not proved: nothing was run, as --no-proof says"]:
        say(visible(line), err=True)
    say(made.path)
    say(made.manifest)


def _make_request(choices: dict[str, Any]) -> WrapRequest:
    from resnet_gen.language.labels import read_labels

    if choices["classes"] is None and (choices["start"] or choices["seed"] is not None):
        raise refuse("--start and --seed mean nothing without --classes")
    if choices["start"] == "zeros" and choices["seed"] is not None:
        raise refuse("--seed means nothing beside --start zeros")
    return WrapRequest(
        input_type=choices["input_type"],
        layout=choices["layout"],
        order=choices["channel_order"],
        mean=_parse_mean(choices["mean"]),
        std=None if choices["std"] is None else parse_numbers("--std", choices["std"]),
        scale=choices["scale"],
        any_size=choices["any_size"],
        crop=choices["crop"],
        outputs=tuple(word.strip() for word in choices["outputs"].split(",")) if choices["outputs"] is not None else (),
        labels=tuple(read_labels(choices["labels"], str(choices["labels"]))) if choices["labels"] else (),
        cuts=choices["cuts"],
        cut_input=choices["cut_input"],
        renames=tuple(map(_parse_rename, choices["renames"])),
        batch=_parse_batch(choices["batch"]),
        size=_parse_size(choices["size"]),
        classes=choices["classes"],
        start=choices["start"] or DEFAULT_START,
        seed=choices["seed"] or DEFAULT_SEED,
    )


def _parse_mean(text: str | None) -> tuple[float, ...] | str | None:
    return text if text in (None, IMAGENET, NONE) else parse_numbers("--mean", text or "")


def _parse_rename(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise refuse(f"--rename: '{shorten(text)}' is not OLD=NEW")
    return old, new


def _parse_batch(text: str | None) -> int | str | None:
    if text is None or text == OPEN:
        return text
    return _parse_side("--batch", text, *BATCHES)


def _parse_size(text: str | None) -> tuple[int, int] | str | None:
    if text is None or text == OPEN:
        return text
    height, _, width = text.partition("x")
    return _parse_side("--size", height, *SIDES), _parse_side("--size", width or height, *SIDES)


def _parse_side(option: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 7 and least <= int(text) <= most):
        raise refuse(f"{option}: '{shorten(text)}' is not a whole number from {least:,} to {most:,}", hint="or 'open'")
    return int(text)

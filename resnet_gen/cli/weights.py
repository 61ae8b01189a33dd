"""`weights`: files of weights, under other names and for other classes and channels."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet_gen.cli import options
from resnet_gen.cli.output import say_json, say_lines
from resnet_gen.infer.conversion.heads import HEADS
from resnet_gen.ops.limits import CHANNELS, CLASSES
from resnet_gen.problems import refuse, several, shorten, visible
from resnet_gen.weights.downloads.names import WeightsSource, list_local_files, parse_weights
from resnet_gen.weights.patterns import SPARSE_PATTERNS
from resnet_gen.weights.seeds import DEFAULT_SEED, SEEDS

if TYPE_CHECKING:
    from resnet_gen.infer.conversion.files import Conversion
    from resnet_gen.quantization.pruned_checkpoint import Pruning

WIDEST = 120
"""Characters of a cell of a table; no shipped network's names are as long."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def weights() -> None:
    """Convert files of weights, prune them, and list what they hold.

    \b
    Example: resnet-gen weights convert resnet50 resnet50.pth --to flax -o resnet50.npz
    """


@weights.command()
@click.argument("spec")
@click.argument("checkpoint", type=options.WEIGHTS, metavar="CHECKPOINT|NAME")
@options.spec_options
@click.option("-o", "--output", "out", type=options.FILE, required=True,
              help="File to write: .safetensors, .npz, .pth or .pt.")  # fmt: skip
@click.option("--to", metavar="NAMES",
              help="torchvision, timm, flax, or a naming scheme.  [default: the spec's own]")  # fmt: skip
@click.option("--from", "called", metavar="NAMES", help="The same of CHECKPOINT.  [default: what its names are of]")
@click.option("--classes", type=click.IntRange(*CLASSES), help="Classes of the result.  [default: the spec's]")
@click.option("--head", type=click.Choice(HEADS),
              help="The head is left out, or drawn anew; one for another number of classes needs either.")  # fmt: skip
@click.option("--seed", type=click.IntRange(*SEEDS), help=f"Seed of a new head.  [default: {DEFAULT_SEED}]")
@click.option("--in-channels", "channels", type=click.IntRange(*CHANNELS),
              help="Channels of the image; the first convolution is changed.  [default: the spec's]")  # fmt: skip
@click.option("--rename", "renames", multiple=True, metavar="PATTERN=NAME",
              help="Call tensors of CHECKPOINT otherwise first: 'backbone.*=*'. No NAME leaves them out.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@options.output_format("text", "json")
def convert(
    spec: str, checkpoint: WeightsSource, settings: tuple[str, ...], out: Path, form: str, **choices: Any
) -> None:
    """Write CHECKPOINT, the weights of SPEC, under other names.

    CHECKPOINT is safetensors, .npz or a PyTorch checkpoint, or the NAME of published
    weights (see build --weights). Each tensor is named by the layer that it belongs to,
    and copied bit for bit unless the report says otherwise.

    \b
    Example: resnet-gen weights convert regnet_y_400mf tv.pth --to timm -o timm.safetensors
             resnet-gen weights convert resnet50 resnet50.pth --classes 10 --head init -o ten.pth
             resnet-gen weights convert resnet50 moco.pth --rename 'module.encoder_q.*=*' --head drop -o body.pth
             resnet-gen weights convert resnet50 resnet50.pth --in-channels 1 -o gray.safetensors
    """
    from resnet_gen.cli.loading import load_noted
    from resnet_gen.infer.conversion.files import plan_conversion, write_conversion
    from resnet_gen.infer.conversion.plan import ConversionOptions
    from resnet_gen.language.load import list_spec_files
    from resnet_gen.language.lower import with_classes_and_channels
    from resnet_gen.system.write import check_free
    from resnet_gen.weights.downloads.location import locate_weights

    if choices["seed"] is not None and choices["head"] != "init":
        raise refuse("--seed means nothing without --head init")
    named = load_noted(spec, settings)
    loaded = with_classes_and_channels(named, choices["classes"], choices["channels"])
    check_free(out, [*list_local_files(checkpoint), *list_spec_files(spec)], replace=choices["force"])
    change = ConversionOptions(choices["head"], choices["seed"] or DEFAULT_SEED, choices["channels"] is not None)
    path = locate_weights(checkpoint, named).path
    conversion = plan_conversion(loaded, path, out, choices["to"], choices["called"], change, choices["renames"])
    write_conversion(conversion, out, path)
    if form == "json":
        say_json(_make_document(conversion, out))
    else:
        say_lines(_format_conversion(conversion, out))


def _format_conversion(conversion: Conversion, out: Path) -> str:
    from resnet_gen.ops.base import format_shape

    rows = [
        (row.old or "-", row.new or "-", format_shape(row.shape), row.dtype, ", ".join(row.done))
        for row in conversion.rows
    ]
    totals = ", ".join(f"{count:,} {done}" for done, count in conversion.totals().items())
    prefix = f" (every name with '{_format_cell(conversion.prefix)}' before it)" if conversion.prefix else ""
    return (
        _format_table([("in the file", "in the result", "shape", "type", "what was done"), *rows])
        + "".join(f"\nnames: {_format_cell(note)}" for note in conversion.renamed)
        + f"\n{conversion.network}: {conversion.source}{prefix} to {conversion.target}\n{visible(str(out))}: {totals}\n"
    )


def _format_table(rows: Sequence[Sequence[str]]) -> str:
    from resnet_gen.graph.tables import align_columns

    return align_columns([[_format_cell(text) for text in row] for row in rows])


def _format_cell(text: str) -> str:
    """What came from a file, as one line of few characters; `--format json` has it whole."""
    return shorten(visible(text), WIDEST)


def _make_document(conversion: Conversion, out: Path) -> dict[str, Any]:
    return {
        "network": conversion.network,
        "from": conversion.source,
        "to": conversion.target,
        "prefix": conversion.prefix,
        "renamed": conversion.renamed,
        "file": str(out),
        "totals": conversion.totals(),
        "tensors": [
            {"old": row.old, "new": row.new, "shape": row.shape, "dtype": row.dtype, "done": row.done}
            for row in conversion.rows
        ],
    }


@weights.command()
@click.argument("spec")
@click.argument("checkpoint", type=options.FILE)
@options.spec_options
@click.option("-o", "--output", "out", type=options.FILE, required=True,
              help="File to write: .safetensors, .npz, .pth or .pt.")  # fmt: skip
@click.option("--pattern", type=click.Choice(SPARSE_PATTERNS), default=SPARSE_PATTERNS[0], show_default=True,
              help="Two of every four weights along the input channels are zero.")  # fmt: skip
@click.option("--keep", multiple=True, metavar="LAYER", help="Name or glob of layers that stay whole.")
@click.option("--calibration", metavar="FOLDER|FILE.npz",
              help="Images to measure the cost on.  [default: drawn noise, which says little of accuracy]")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@options.output_format("text", "json")
def prune(spec: str, checkpoint: Path, settings: tuple[str, ...], out: Path, form: str, **choices: Any) -> None:
    """Write CHECKPOINT, the weights of SPEC, with two of every four of them zero, for sparse tensor cores.

    Of every four input channels in a row the two weights of the least magnitude
    go, for each output channel and place of a kernel. What that costs is printed:
    accuracy usually has to be won back by training with the zeros kept.

    \b
    Example: resnet-gen weights prune resnet50 resnet50.pth -o sparse.pth --keep fc
             resnet-gen weights prune resnet50 resnet50.pth -o sparse.pth --calibration photos/
    """
    from resnet_gen.cli.loading import load_noted
    from resnet_gen.language.load import list_spec_files
    from resnet_gen.quantization.pruned_checkpoint import prune_checkpoint
    from resnet_gen.system.write import check_free

    loaded = load_noted(spec, settings)
    check_free(out, [checkpoint, *list_spec_files(spec)], replace=choices["force"])
    pruning = prune_checkpoint(loaded, checkpoint, out, choices["calibration"], choices["keep"])
    if form == "json":
        say_json(_make_pruning_document(pruning, out))
    else:
        say_lines(_format_pruning(pruning, out))


def _format_pruning(pruning: Pruning, out: Path) -> str:
    rows = [(t.name, f"{t.share:.1%}", f"{t.relative_error:.3f}") for t in pruning.tensors]
    rows += [(name, "-", reason) for name, reason in pruning.whole.items()]
    table = _format_table([("tensor", "zero", "relative error, or why it is whole"), *rows])
    return f"{table}\n{visible(str(out))}: {pruning.share:.1%} of what was pruned is zero\n{_describe_cost(pruning)}\n"


def _describe_cost(pruning: Pruning) -> str:
    found = pruning.comparison
    if found is None:
        return f"{pruning.network}: not compared: the network itself outputs values that are not finite"
    ratios = ", ".join(f"{output} {ratio:.1f} dB" for output, ratio in found.decibels.items())
    same = "" if found.agreement is None else f"; same best class for {found.agreement:.0%}"
    on = f"{found.images} images" + (" of drawn noise" if pruning.drawn else "")
    return f"{pruning.network}: signal to noise of {ratios} against the weights as they were, on {on}{same}"


def _make_pruning_document(pruning: Pruning, out: Path) -> dict[str, Any]:
    found = pruning.comparison
    return {
        "network": pruning.network,
        "file": str(out),
        "share": pruning.share,
        "tensors": [
            {"name": t.name, "size": t.size, "zeros": t.zeros, "relative_error": t.relative_error}
            for t in pruning.tensors
        ],
        "whole": pruning.whole,
        "signal_to_noise_db": found and found.decibels,
        "agreement": found and found.agreement,
        "images": found and found.images,
        "drawn": pruning.drawn,
    }


@weights.command()
@click.argument("source", metavar="SPEC|FILE|NAME")
@options.spec_options
@options.output_format("text", "json")
def show(source: str, settings: tuple[str, ...], form: str) -> None:
    """List tensors: name, shape, type.

    Of a file of weights, of published ones, of what an ONNX file stores, or those
    that a SPEC wants.

    \b
    Example: resnet-gen weights show resnet50.pth
             resnet-gen weights show resnet50.onnx --format json
    """
    from resnet_gen.ops.base import format_shape

    found = _list_tensors(source, settings)
    if form == "json":
        say_json([{"name": n, "shape": s, "dtype": t} for n, s, t in found])
        return
    say_lines(_format_table([("name", "shape", "type"), *((n, format_shape(s), t) for n, s, t in found)]))


def _list_tensors(source: str, settings: tuple[str, ...]) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and type of each tensor of a file of weights, of an ONNX file, or of a specification."""
    from resnet_gen.infer.network_sources import names_onnx_file
    from resnet_gen.language.load import load
    from resnet_gen.language.lower import lower
    from resnet_gen.weights import checkpoint
    from resnet_gen.weights.downloads.location import locate_weights

    if names_onnx_file(source):
        return _list_stored_tensors(source, settings)
    path = locate_weights(parse_weights(source)).path
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        if settings:
            raise refuse("--set means nothing for a file of weights")
        return [(n, t.shape, t.dtype.name) for n, t in checkpoint.read(path, counters=True).items()]
    return [(n, t.shape, "float32") for n, t in lower(load(source, settings)).state().items()]


def _list_stored_tensors(source: str, settings: tuple[str, ...]) -> list[tuple[str, tuple[int, ...], str]]:
    """What an ONNX file stores; stderr says what is not listed, and how it becomes a file of weights."""
    from resnet_gen.cli.loading import say_of_file
    from resnet_gen.onnx.reading.stored_tensors import list_stored_tensors

    if settings:
        raise refuse("--set means nothing for an ONNX file")
    found = list_stored_tensors(Path(source))
    lines = ["what the ONNX file stores, under its names: scales and shapes too, and norms folded where they are"]
    if found.constants:
        lines.append(f"not listed: {several(found.constants, 'constant')} that stand in nodes")
    lines.append(
        f"`resnet-gen import {shlex.quote(shorten(source, 100))} --weights FILE.safetensors` writes its weights"
    )
    say_of_file(source, lines)
    return found.initializers

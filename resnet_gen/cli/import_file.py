"""`import`: a specification from a file of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet_gen.cli import options
from resnet_gen.cli.output import say, say_json, say_lines
from resnet_gen.problems import Problem, refuse
from resnet_gen.weights.downloads.names import METAVAR, WeightsSource

if TYPE_CHECKING:
    from resnet_gen.infer.recovery import Imported


@click.command("import", short_help="Recover a spec from a file of another tool.")
@click.argument("file", type=options.WEIGHTS, required=False, metavar="FILE|NAME")
@click.option("--checkpoint", type=options.WEIGHTS, metavar=METAVAR,
              help="The same as FILE, which must be a checkpoint: safetensors, .npz or PyTorch's.")  # fmt: skip
@click.option("-o", "--output", "output", type=options.FILE, help="File for the spec, or a folder.  [default: stdout]")
@click.option("--name", help="Name of the network.  [default: the file's]")
@click.option("--extends", "parent", metavar="SPEC", help="Write the spec as changes to this shipped one.")
@click.option(
    "--weights",
    "weights",
    type=options.FILE,
    metavar="FILE.safetensors",
    help="Write the weights too, under the spec's names.",
)
@click.option("--plain-biases", is_flag=True, help="Take biases for biases, never for batch norms that were folded.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@options.output_format("yaml", "json")
def import_(
    file: WeightsSource | None,
    checkpoint: WeightsSource | None,
    output: Path | None,
    name: str | None,
    **choices: Any,
) -> int:
    """Recover a spec from an ONNX file of another tool, or from the names and shapes of a checkpoint.

    The spec of an ONNX file is proved: it is built to the very same operations.
    What cannot be recovered is refused with the first node that no part makes, or
    the first tensor of a checkpoint that no network has, and exit code 1. stderr
    says what the file has and the spec does not carry.

    \b
    Example: resnet-gen import resnet50.onnx -o specs/
             resnet-gen import model.onnx --extends resnet50 --weights model.safetensors
             resnet-gen import --checkpoint mmpretrain.pth --weights resnet50.safetensors -o resnet50.yaml
    """
    from resnet_gen.infer.recovery import network_name, recover_spec

    _check_options(output, choices)
    path = _choose_file(file, checkpoint)
    called = network_name(path, name)
    spec = output / f"{called}.yaml" if output and output.is_dir() else output
    _check_free([path for path in (spec, choices["weights"]) if path], choices["force"], path)
    kept = choices["weights"] is not None
    found = recover_spec(path, name, parent=choices["parent"], norms=not choices["plain_biases"], weights=kept)
    if isinstance(found, Problem):
        say_lines(f"{found}\n", err=True)
        return 1
    _output_spec(found, spec, choices)
    for line in found.account:
        say(line, err=True)
    return 0


def _choose_file(file: WeightsSource | None, checkpoint: WeightsSource | None) -> Path:
    """The one file that is named; raises `Refused` for none and both, and where it is to be a checkpoint and is not."""
    from resnet_gen.weights.checkpoint import is_weights_file
    from resnet_gen.weights.downloads.location import locate_weights

    given = checkpoint or file
    if given is None or (file and checkpoint):
        raise refuse("FILE or --checkpoint FILE: one of the two is wanted")
    found = locate_weights(given).path
    if checkpoint and not is_weights_file(found):
        hint = "safetensors, .npz and PyTorch checkpoints can be read; FILE alone may be ONNX"
        raise refuse("not a file of weights, or damaged", str(found), hint)
    return found


def _check_options(output: Path | None, choices: dict[str, Any]) -> None:
    """Refuse options that would change nothing, and a name of weights of another format, before any work."""
    weights: Path | None = choices["weights"]
    if weights and weights.suffix != ".safetensors":
        hint = "the name ends in .safetensors; weights convert writes other formats"
        raise refuse(f"import writes no weights as '{weights.suffix}'", str(weights), hint)
    if choices["force"] and not (output or weights):
        raise refuse("--force means nothing without -o or --weights", hint="nothing is written but to stdout")


def _output_spec(found: Imported, spec: Path | None, choices: dict[str, Any]) -> None:
    """Print or write the spec, and write the weights if that was asked for."""
    from resnet_gen.system.write import check_not_read, write_together

    weights: Path | None = choices["weights"]
    files = {**({spec: [found.text.encode()]} if spec else {}), **({weights: found.weights()} if weights else {})}
    for path in files:
        check_not_read(path)
    write_together(files)
    for path in files:
        say(path)
    if choices["form"] == "json":
        say_json(found.data)
    elif not spec:
        say_lines(found.text)


def _check_free(paths: list[Path], force: bool, read: Path) -> None:
    from resnet_gen.system.journal import recover
    from resnet_gen.system.write import check_apart, check_new

    for path in paths:
        recover(path.parent)  # both, before either is refused
    for path in paths:
        check_apart(path, [read])
        check_new(path, replace=force)

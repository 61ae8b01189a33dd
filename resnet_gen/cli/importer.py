"""`import`: a specification from a file of another tool."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet_gen.cli import options

if TYPE_CHECKING:
    from resnet_gen.infer.proof import Inferred
    from resnet_gen.infer.shipped import Same
    from resnet_gen.reading import Read


@click.command("import", short_help="Recover a spec from a file of another tool.")
@click.argument("file", type=options.FILE)
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
def import_(file: Path, output: Path | None, name: str | None, **choices: Any) -> int:
    """Recover a spec from an ONNX file of another tool, or from the names and shapes of a checkpoint.

    The spec of an ONNX file is proved: it is built to the very same operations.
    What cannot be recovered is refused with the first node that no part makes,
    and exit code 1. stderr says what the file has and the spec does not carry.

    \b
    Example: resnet-gen import resnet50.onnx -o specs/
             resnet-gen import model.onnx --extends resnet50 --weights model.safetensors
             resnet-gen import resnet50.pth
    """
    from resnet_gen.infer.checkpoint import holds_weights

    called = _name(file, name)
    spec = output / f"{called}.yaml" if output and output.is_dir() else output
    _free([path for path in (spec, choices["weights"]) if path], choices["force"], file)
    if holds_weights(file):
        return _import_checkpoint(file, called, spec, choices)
    return _import_onnx(file, called, spec, choices)


def _import_checkpoint(file: Path, name: str, spec: Path | None, choices: dict[str, Any]) -> int:
    from resnet_gen.infer.checkpoint import account, recognize
    from resnet_gen.infer.written import written
    from resnet_gen.problems import Problem, refuse

    for option in ("parent", "weights"):
        if choices[option]:
            asked = {"parent": "--extends", "weights": "--weights"}[option]
            raise refuse(f"{asked} means nothing for a checkpoint", hint="it is for ONNX files")
    found = recognize(file, name)
    if isinstance(found, Problem):
        click.echo(str(found), err=True)
        return 1
    text = written(found.data, [f"Recognized by the names and shapes in {file.name}."])
    report = {"spec": found.data, "same_names_and_shapes": found.others, "prefix": found.prefix}
    _put(text, spec, choices, json.dumps(report, indent=2))
    for line in account(found):
        click.echo(line, err=True)
    return 0


def _name(file: Path, name: str | None) -> str:
    """The network's name: what was asked for, or the file's with what no name holds left out."""
    from resnet_gen.faults import NAME_HINT
    from resnet_gen.problems import refuse, shortened
    from resnet_gen.spec import NAME_PATTERN

    called = name or re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-_")[:64] or "imported"
    if not re.fullmatch(NAME_PATTERN, called):
        raise refuse(f"--name: '{shortened(called)}' is not a name", hint=NAME_HINT)
    return called


def _import_onnx(file: Path, name: str, spec: Path | None, choices: dict[str, Any]) -> int:
    from resnet_gen.infer.account import account, as_json, refusal
    from resnet_gen.infer.infer import Unexplained, infer
    from resnet_gen.infer.shipped import extending, same_as
    from resnet_gen.infer.written import written
    from resnet_gen.reading import NotExplained

    try:
        read, why = _read(file)
    except NotExplained as refused:  # a node without even a shape
        click.echo(str(refused), err=True)
        return 1
    found = infer(read.graph, name, norms=not choices["plain_biases"])
    if isinstance(found, Unexplained):
        click.echo(str(refusal(found, read.graph, str(file), why)), err=True)
        return 1
    same = same_as(found, read.graph)
    data = extending(found, choices["parent"]) if choices["parent"] else found.data
    text = written(data, _comments(file, same))
    _put(text, spec, choices, json.dumps(as_json(found, read.graph, same), indent=2), (found, read))
    for line in account(found, read, same, weights=choices["weights"] is not None):
        click.echo(line, err=True)
    return 0


def _read(file: Path) -> tuple[Read, str | None]:
    """The file as a graph; where a node is none of our operations, with that node as it stands, and why."""
    from resnet_gen.reading import NotExplained, read

    try:
        return read(file), None
    except NotExplained as first:
        why = first.problems[0].message
    return read(file, partial=True), why


def _comments(file: Path, same: list[Same]) -> list[str]:
    from resnet_gen.infer.shipped import told

    return [" ".join((f"Recovered from {file.name}.", *(f"Computes {words}." for words in told(same))))]


def _put(
    text: str,
    spec: Path | None,
    choices: dict[str, Any],
    report: str,
    carried: tuple[Inferred, Read] | None = None,
) -> None:
    """Print or write the spec, and write the weights if that was asked for."""
    from contextlib import ExitStack

    from resnet_gen.write import Transaction

    weights: Path | None = choices["weights"]
    with ExitStack() as stack:
        if spec:
            stack.enter_context(Transaction(spec.parent)).text(spec.name, text)
        if weights and carried:
            _write_weights(stack.enter_context(Transaction(weights.parent)), weights.name, *carried)
    for path in (spec, weights):
        if path:
            click.echo(path)
    if choices["form"] == "json":
        click.echo(report)
    elif not spec:
        click.echo(text, nl=False)


def _free(paths: list[Path], force: bool, read: Path) -> None:
    from resnet_gen.problems import refuse
    from resnet_gen.write import check_apart

    for path in paths:
        check_apart(path, [read])
        if path.exists() and not force:
            raise refuse("exists already", str(path), "--force replaces it")


def _write_weights(out: Any, name: str, found: Inferred, read: Read) -> None:
    from resnet_gen.infer.carried import Carried
    from resnet_gen.weights.saved import from_weights, safetensors

    shapes = {weight: tensor.shape for weight, tensor in found.graph.state().items()}
    out.write(name, safetensors(from_weights(shapes, Carried(found, read.weights))))

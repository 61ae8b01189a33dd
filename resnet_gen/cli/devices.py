"""`targets` and `predict`: the devices that networks are built for, and how fast they are there."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from resnet_gen.cli import options
from resnet_gen.cli.output import say, say_json, say_lines
from resnet_gen.ops.limits import BATCHES
from resnet_gen.ops.precision import PRECISIONS, Precision
from resnet_gen.speed.limits import PREDICTED_BATCH, PREDICTED_PRECISION

if TYPE_CHECKING:
    from resnet_gen.infer.network_sources import NetworkSource
    from resnet_gen.speed.prediction import KernelTime, Prediction


@click.command()
@options.output_format("text", "json")
def targets(form: str) -> None:
    """List the devices that networks are built for.

    A device of your own is a YAML file of the same form (docs/targets.md).

    \b
    Example: resnet-gen targets --format json
    """
    from resnet_gen.graph.tables import align_columns
    from resnet_gen.speed.targets import load_target, shipped_targets

    found = [load_target(name) for name in shipped_targets()]
    if form == "json":
        say_json([target.model_dump(mode="json", exclude_none=True) for target in found])
        return
    rows = [
        (
            t.name,
            t.compute_capability or "-",
            t.tensorrt or "-",
            t.engine,
            str(t.opset),
            " ".join(t.precisions),
            _format_number(t.memory_gb),
            _format_number(t.bandwidth_gb_s),
        )
        for t in found
    ]
    header = ("name", "SM", "TensorRT", "engine", "opset", "precisions", "memory GB", "GB/s")
    say_lines(align_columns([header, *rows], right=(4, 6, 7)))


def _format_number(number: float | None) -> str:
    return "-" if number is None else f"{number:,g}"


@click.command()
@click.argument("spec", metavar="SPEC|FILE.onnx")
@click.option("--for", "device", required=True, metavar="DEVICE", help="A device, as `targets` lists them, or a file.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help=f"What layers compute in.  [default: an ONNX file's own; {PREDICTED_PRECISION} of a spec]",
)
@click.option(
    "--batch", type=click.IntRange(*BATCHES), default=PREDICTED_BATCH, show_default=True, help="Images at once."
)
@click.option("--layers", is_flag=True, help="One line a kernel instead of one a stage.")
@options.spec_options
@options.output_format("text", "json")
def predict(
    spec: str, device: str, precision: Precision | None, batch: int, layers: bool, settings: tuple[str, ...], form: str
) -> None:
    """Predict how fast a network runs on a device.

    A roofline of the kernels that an engine runs; docs/predict.md says how it is
    made, and how far it was from what others measured. An ONNX file is predicted
    in what it computes in, unless --precision says otherwise.

    \b
    Example: resnet-gen predict resnet50 --for jetson-nano
             resnet-gen predict resnet101 --for t4 --precision int8 --batch 32 --layers
    """
    from resnet_gen.cli.loading import choose_rows, open_noted, say_of_file
    from resnet_gen.speed.prediction import choose_precision
    from resnet_gen.speed.prediction import predict as predicted
    from resnet_gen.speed.targets import load_target

    source, target = open_noted(spec, settings), load_target(device)
    source.check_known("a prediction")
    graph, layers = choose_rows(source, layers, form)
    chosen, why = choose_precision(precision, source.own_precision)
    if source.own_precision:
        say_of_file(spec, [f"predicted in {chosen}, {why}"])
    found = predicted(graph, target, chosen, batch)
    title = f"{source.title} on {target.title}, {chosen}, batch {batch:,}"
    if form == "json":
        say_json({**_make_document(source.name, found, layers), **_describe_source(source)})
        return
    say(title, err=True)
    say("", err=True)
    say_lines(_format_table(found, layers))
    say("", err=True)
    say(f"efficiency of arithmetic {found.efficiency.value:.3f}: {found.efficiency.basis}", err=True)


def _describe_source(source: NetworkSource) -> dict[str, Any]:
    """What the file is that a network was read from, as `count` says it; nothing of a spec."""
    data = source.as_data()
    return {"source": data} if data else {}


def _format_table(found: Prediction, layers: bool) -> str:
    from resnet_gen.graph.tables import align_columns

    cells = [
        (row.name, str(row.kernels), f"{row.macs:,}", f"{row.bytes:,}", f"{1e3 * row.seconds:,.3f}", row.bound)
        for row in [*_choose_rows(found, layers), found.total()]
    ]
    header = ("layer" if layers else "stage", "kernels", "MACs", "bytes", "ms", "bound by")
    table = [row[:1] + row[2:] if layers else row for row in (header, *cells)]
    return align_columns(table, right=range(1, len(table[0]) - 1)) + f"\n{found.images_per_second:,.1f} images/s\n"


def _choose_rows(found: Prediction, layers: bool) -> list[KernelTime]:
    from resnet_gen.graph.tables import stage_title

    return found.layers() if layers else [replace(row, name=stage_title(row.name)) for row in found.stages()]


def _make_document(network: str, found: Prediction, layers: bool) -> dict[str, Any]:
    return {
        "network": network,
        "target": found.target.name,
        "precision": found.precision,
        "batch": found.batch,
        "milliseconds": 1e3 * found.seconds,
        "images_per_second": found.images_per_second,
        "efficiency": found.efficiency.value,
        "basis": found.efficiency.basis,
        "layers" if layers else "stages": [_make_entry(row) for row in _choose_rows(found, layers)],
    }


def _make_entry(row: KernelTime) -> dict[str, Any]:
    values = asdict(row)
    return {
        "milliseconds" if key == "seconds" else key: 1e3 * v if key == "seconds" else v for key, v in values.items()
    }

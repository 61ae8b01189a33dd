"""`profile`: how long the layers of an engine took, beside what was predicted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet_gen.cli import options
from resnet_gen.cli.output import say, say_json, say_lines
from resnet_gen.ops.limits import BATCHES
from resnet_gen.ops.precision import PRECISIONS, Precision
from resnet_gen.problems import refuse, several, shorten, visible
from resnet_gen.speed.limits import PREDICTED_BATCH, PREDICTED_PRECISION

if TYPE_CHECKING:
    from resnet_gen.language.load import Loaded
    from resnet_gen.speed.layer_comparison import LayerComparison, LayerPair

_WIDEST = 60
"""Characters of a layer's name in the table; `--format json` has all of them."""


@click.command(short_help="Lay a profile of an engine's layers beside the prediction.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=options.FILE)
@click.option("--spec", metavar="SPEC", help="Network that was measured.  [default: that of the manifest beside FILE]")
@options.spec_options
@options.side
@click.option("--for", "device", metavar="DEVICE", help="Device that it ran on.  [default: the manifest's]")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help=f"Type that layers computed in.  [default: the manifest's, or {PREDICTED_PRECISION}; fp32 on a CPU]",
)
@click.option(
    "--batch",
    type=click.IntRange(*BATCHES),
    help=f"Images at once.  [default: the profile's or the bundle's, or {PREDICTED_BATCH}]",
)
@click.option(
    "--calibrate", type=options.FILE, metavar="FILE.yaml", help="File to write the device to, with what was measured."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@options.output_format("text", "json")
def profile(
    files: tuple[Path, ...],
    spec: str | None,
    settings: tuple[str, ...],
    side: int | None,
    device: str | None,
    precision: Precision | None,
    batch: int | None,
    calibrate: Path | None,
    force: bool,
    form: str,
) -> None:
    """Lay the measured layers of an engine beside the predicted kernels, by name.

    FILE is what `trtexec --exportProfile` writes, as a bundle's script does with
    --profile, or ONNX Runtime's profiler; beside it the layer information of
    `trtexec --exportLayerInfo`, which says what fused layers are of.

    \b
    Example: resnet-gen profile resnet50.profile.json resnet50.layers.json
             resnet-gen profile resnet50.profile.json --calibrate my-orin.yaml
    """
    from resnet_gen.build.profile_subject import ProfileSubject, compare_files
    from resnet_gen.language.load import list_spec_files, load
    from resnet_gen.speed.targets import load_target
    from resnet_gen.system.write import check_free

    changes = options.with_input(settings, side)
    if changes and spec is None:
        raise refuse("--set and --input mean nothing without --spec")
    if calibrate:
        check_free(calibrate, [*files, *(list_spec_files(spec) if spec else ())], replace=force)
    loaded = load(spec, changes) if spec is not None else None
    target = load_target(device) if device is not None else None
    network, found = compare_files(files, ProfileSubject(loaded, target, precision, batch))
    name = network.spec.name
    if form == "json":
        say_json(_make_document(name, found))
    else:
        say_lines(_format_comparison(name, found))
    if calibrate:
        _write_device(calibrate, network, found, files[0].name)


def _write_device(path: Path, loaded: Loaded, found: LayerComparison, source: str) -> None:
    from resnet_gen.speed.calibration import device_text, list_figures
    from resnet_gen.system.write import Transaction

    figures = list_figures(loaded, found, f"the sum of the layers of {visible(source)}, {found.profile.runs} runs")
    name = f"{found.prediction.target.name}-measured"
    with Transaction(path.parent) as out:
        out.write_text(path.name, device_text(found.prediction.target, figures, name))
    say(path, err=True)


def _format_comparison(name: str, found: LayerComparison) -> str:
    from resnet_gen.graph.tables import align_columns

    prediction = found.prediction
    head = f"{name} on {prediction.target.title}, {prediction.precision}, batch {prediction.batch:,}"
    columns = ("layer", "of the engine", "measured ms", "predicted ms", "ratio", "bound")
    rows = [columns, *(_format_row(row, found) for row in found.rows)]
    return "\n".join([head, align_columns(rows, right=(2, 3, 4)).rstrip("\n"), *_list_totals(found), ""])


def _format_row(row: LayerPair, found: LayerComparison) -> tuple[str, ...]:
    bounds = [cost.find_bound(found.prediction.efficiency.value) for cost in row.kernels]
    return (
        shorten(visible(row.name), _WIDEST),
        shorten(visible(" | ".join(layer.name for layer in row.layers[:3])), _WIDEST) or "-",
        _format_ms(row.measured_ms),
        _format_ms(row.predicted_ms),
        "-" if row.ratio is None else f"{row.ratio:.2f}",
        max(bounds, key=bounds.count) if bounds else "-",
    )


def _format_ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _list_totals(found: LayerComparison) -> list[str]:
    prediction = found.prediction
    matched = sum(row.measured_ms or 0.0 for row in found.matched)
    predicted = sum(row.predicted_ms or 0.0 for row in found.matched)
    alone = sum(row.measured_ms or 0.0 for row in found.unpredicted)
    lines = [
        f"matched by name: {several(len(found.matched), 'row')}, {matched:.4f} ms measured, {predicted:.4f} predicted",
        f"measured, and of no predicted kernel: {several(len(found.unpredicted), 'layer')}, {alone:.4f} ms",
        f"predicted, and in no layer's name: {several(len(found.unmeasured), 'kernel')}, "
        f"{sum(row.predicted_ms or 0.0 for row in found.unmeasured):.4f} ms",
        f"all layers: {found.profile.milliseconds:.4f} ms of {found.profile.runs:,} runs, "
        f"{found.images_per_second:,.1f} images/s without what lies between them; "
        f"predicted: {1e3 * prediction.seconds:.4f} ms",
    ]
    own = found.efficiency
    told = "no part of its peak explains what was measured" if own is None else f"{own:.3g} of its peak"
    lines += _list_estimates(found)
    return [*lines, f"efficiency: {told}; the prediction has {prediction.efficiency.value:.3g}"]


def _list_estimates(found: LayerComparison) -> list[str]:
    if not found.estimated:
        return []
    prediction = found.prediction
    peak, bandwidth = prediction.target.peak_tflops[prediction.precision], prediction.target.bandwidth_gb_s
    rates = f"{peak:g} TFLOPS and {bandwidth:g} GB/s"
    return [f"no peak is stated of {prediction.target.name}: {rates} are the best that a layer reached here"]


def _make_document(name: str, found: LayerComparison) -> dict[str, Any]:
    prediction = found.prediction
    return {
        "network": name,
        "device": prediction.target.name,
        "precision": prediction.precision,
        "batch": prediction.batch,
        "runs": found.profile.runs,
        "measured_ms": found.profile.milliseconds,
        "predicted_ms": 1e3 * prediction.seconds,
        "efficiency": found.efficiency,
        "predicted_efficiency": prediction.efficiency.value,
        "rates_from_profile": found.estimated,
        "rows": [
            {
                "name": row.name,
                "layers": [layer.name for layer in row.layers],
                "kernels": [cost.kernel.node.name for cost in row.kernels],
                "measured_ms": row.measured_ms,
                "predicted_ms": row.predicted_ms,
                "ratio": row.ratio,
            }
            for row in found.rows
        ],
    }

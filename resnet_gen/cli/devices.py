"""`targets`: the devices that networks are built for."""

from __future__ import annotations

import json

import click

from resnet_gen.cli import options


@click.command()
@options.output_format("text", "json")
def targets(form: str) -> None:
    """List the devices that networks are built for.

    A device of your own is a YAML file of the same form (docs/targets.md).

    \b
    Example: resnet-gen targets --format json
    """
    from resnet_gen.emit.text import columns
    from resnet_gen.targets import load_target, shipped_targets

    found = [load_target(name) for name in shipped_targets()]
    if form == "json":
        click.echo(json.dumps([target.model_dump(mode="json", exclude_none=True) for target in found], indent=2))
        return
    rows = [
        (
            t.name,
            t.compute_capability or "-",
            t.tensorrt or "-",
            t.engine,
            str(t.opset),
            " ".join(t.precisions),
            _figure(t.memory_gb),
            _figure(t.bandwidth_gb_s),
        )
        for t in found
    ]
    header = ("name", "SM", "TensorRT", "engine", "opset", "precisions", "memory GB", "GB/s")
    click.echo(columns([header, *rows], right=(4, 6, 7)), nl=False)


def _figure(number: float | None) -> str:
    return "-" if number is None else f"{number:,g}"

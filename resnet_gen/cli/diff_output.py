"""What `diff` and `review` share: their options, predicted times, and where what they say goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet_gen.cli import options
from resnet_gen.cli.output import say, say_lines, write_files
from resnet_gen.ops.limits import BATCHES
from resnet_gen.ops.precision import PRECISIONS, Precision
from resnet_gen.problems import refuse
from resnet_gen.speed.limits import PREDICTED_BATCH, PREDICTED_PRECISION

if TYPE_CHECKING:
    from resnet_gen.compare.difference.sides import Side
    from resnet_gen.compare.formats.comparison import Latency

comparison = options.combine_options(
    click.option("--for", "device", metavar="DEVICE", help="Predict how long each takes on this device."),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        help=f"What layers compute in there.  [default: {PREDICTED_PRECISION}]",
    ),
    click.option("--batch", type=click.IntRange(*BATCHES), help=f"Images at once there.  [default: {PREDICTED_BATCH}]"),
    options.output_format("text", "json", "markdown"),
    click.option("-o", "--output", type=options.FILE, help="File to write it to.  [default: stdout]"),
)


def make_predictor(
    device: str | None, precision: Precision | None, batch: int | None
) -> Callable[[Side, Side], Latency] | None:
    """What predicts the times of two networks on a device; None without one."""
    if device is None:
        if precision or batch:
            raise refuse("--precision and --batch are for a prediction", hint="say on what device: --for t4")
        return None
    from resnet_gen.compare.comparison import make_predictor as predictor_of
    from resnet_gen.speed.targets import load_target

    return predictor_of(load_target(device), precision or PREDICTED_PRECISION, batch or PREDICTED_BATCH)


def check_output(output: Path | None, read: Iterable[Path]) -> Path | None:
    """Where the comparison goes, None for stdout; raises `Refused` for what cannot be written to, or is `read`."""
    if output is None or str(output) == "-":
        return None
    from resnet_gen.system.write import check_writable

    check_writable(output, read)
    return output


def write_report(text: str, output: Path | None) -> None:
    """Write to a file and name it, or else to stdout."""
    if output is None:
        say_lines(text)
        return
    write_files({output: text.encode()})
    say(output)

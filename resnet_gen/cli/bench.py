"""`bench`: how long models take, alone or side by side."""

from __future__ import annotations

from typing import Any

import click

from resnet_gen.cli import options
from resnet_gen.speed.limits import DEFAULT_SECONDS, REPEATS, SECONDS


@click.command(short_help="Measure a model's speed, alone or beside another.")
@click.argument("model", metavar="SPEC|FILE")
@options.spec_options
@options.side
@click.option("--against", metavar="SPEC|FILE", help="A second model, run in turns with the first on the same input.")
@options.runtime()
@options.runtime("--against-backend", "against_runtime", "the second model")
@click.option("--batch", metavar="1,8,...", help="Batch sizes.  [default: the model's, or 1]")
@click.option(
    "--shapes", metavar="NAME:NxCxHxW", help="Shape of the input in place of --batch; input:[1,3,224,224] is read too."
)
@options.precision_hint
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of a CPU runtime.  [default: its own choice]")
@click.option(
    "--seconds",
    type=options.Finite(*SECONDS),
    help=f"Seconds for each model at each batch, after warming up.  [default: {DEFAULT_SECONDS:g}]",
)
@click.option("--repeat", type=click.IntRange(*REPEATS), help="Timed runs of each model at each batch.")
@click.option("--cuda-graphs", is_flag=True, help="Launch an engine's work as a CUDA graph, captured once.")
@options.weights("and of the input")
@click.option("--fold-bn", "fold", is_flag=True, help="Fold batch norms of a spec into the convolutions before them.")
@options.output_format("text", "json")
@click.option("-o", "--output", type=options.FILE, help="File to write the figures to.  [default: stdout]")
@click.option("--plot", type=options.FILE, metavar="FILE.svg|.png", help="Picture to draw of the figures.")
def bench(model: str, settings: tuple[str, ...], side: int | None, **choices: Any) -> None:
    """Measure a spec, FILE.onnx or FILE.engine: latency percentiles and throughput.

    With --against, two models take turns in short blocks on the same input, so
    that a busy machine slows both alike; how their outputs differ is printed too.

    \b
    Example: resnet-gen bench resnet50 --batch 1,8 --plot resnet50.svg
             resnet-gen bench build/resnet50.onnx --backend openvino --against other.onnx
    """
    from resnet_gen.cli.bench_models import bench_models

    bench_models(model, options.with_input(settings, side), **choices)

"""Speed and outputs: run a model, measure it, predict it for a device that is not there."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_gen.api.arguments import (
    AnyPath,
    Device,
    Network,
    check_one_of,
    check_within,
    name_of,
    resolve_network,
    resolve_target,
    resolve_weights,
)
from resnet_gen.engine.names import HINTS, RUNTIMES, Hint, Runtime, suitable_runtime
from resnet_gen.language.load import Loaded
from resnet_gen.ops.limits import BATCHES
from resnet_gen.ops.precision import PRECISIONS, Precision
from resnet_gen.problems import refuse
from resnet_gen.speed.limits import (
    DEFAULT_SECONDS,
    MEASURED_BATCHES,
    PREDICTED_BATCH,
    REPEATS,
    SECONDS,
)
from resnet_gen.weights.seeds import DEFAULT_SEED, SEEDS

if TYPE_CHECKING:
    from resnet_gen.build.models import ModelSource, RunnableModel
    from resnet_gen.engine.base import Runner, Tuning
    from resnet_gen.speed.benchmark import Effort, Result
    from resnet_gen.speed.prediction import Prediction
    from resnet_gen.speed.targets import Target
    from resnet_gen.weights.base import Array


def run(
    model: Network,
    images: Array | AnyPath,
    *,
    weights: AnyPath | None = None,
    seed: int = DEFAULT_SEED,
    fold: bool = False,
    runtime: Runtime | None = None,
    precision_hint: Hint | None = None,
) -> dict[str, Array]:
    """Run a network, an ONNX file or an engine on images; warns where what is computed is not what the file says.

    Args:
        model: A loaded spec, a name, a path, or a file that ends in `.onnx` or `.engine`.
        images: Float values (N, C, H, W), normalized as the spec's `input` says, or pixels where these are taken; or
            the path of a picture, which becomes that as the spec says, or the file that carries it.
        weights: The spec's weights, as for `emit_onnx`.
        seed: Seed of the spec's weights without them.
        fold: Fold the spec's batch norms.
        runtime: What runs it; ONNX Runtime, or TensorRT-RTX for an engine.
        precision_hint: The type that OpenVINO is asked to compute in; the file's own without it.

    Returns:
        The outputs by name, the batch first: `logits` is (N, classes), a stage's map (N, C, H, W).

    Raises:
        Refused: For what cannot be read, does not fit, or is not installed.

    Example:
        >>> import numpy as np
        >>> from resnet_gen import run
        >>> outputs = run("cifar-resnet20", np.zeros((2, 3, 32, 32), np.float32))
        >>> {name: values.shape for name, values in outputs.items()}
        {'logits': (2, 10)}
    """
    from resnet_gen.build.file_input import check_pixels, check_shape, find_unsmoothed
    from resnet_gen.build.models import ModelSource, check_outputs
    from resnet_gen.engine.base import Tuning

    check_within("seed", seed, *SEEDS)
    picture = Path(images) if isinstance(images, (str, os.PathLike)) else None
    x = _check_images(images, wanted=picture is None)
    if seed and weights is not None:
        raise refuse("seed: means nothing beside 'weights'")
    check_one_of("precision_hint", precision_hint, HINTS)
    tuning = Tuning(precision_hint=precision_hint, tells_types=True)
    source = ModelSource((), resolve_weights(weights), seed, fold)
    opened = _open_model(model, source, runtime, 1 if picture else len(x), tuning)
    session = opened.runner
    if picture:
        taken = opened.find_input()
        check_shape(session, opened.serving, taken, 1)
        x = opened.serving.read(picture, taken)
    check_pixels(session, x)
    session.check(x.shape)
    outputs = session.run(x)
    check_outputs(session, opened.serving, outputs)
    warn_of_numerics(session, tuning, more=find_unsmoothed(session, opened.serving))
    return outputs


def _check_images(images: Array | AnyPath, *, wanted: bool) -> Array:
    """Images as an array; none where a picture is to be read instead."""
    import numpy as np

    x: Array = np.asarray(images) if wanted else np.empty(0, np.float32)
    if wanted and (x.ndim != 4 or x.dtype.kind not in "fiu" or not len(x)):
        raise refuse("images: not numbers of shape (N, C, H, W) for at least one image")
    return x


def bench(
    model: Network,
    against: Network | None = None,
    *,
    batch: int | None = None,
    seconds: float | None = DEFAULT_SECONDS,
    repeat: int | None = None,
    weights: AnyPath | None = None,
    seed: int = DEFAULT_SEED,
    fold: bool = False,
    runtime: Runtime | None = None,
    against_runtime: Runtime | None = None,
    precision_hint: Hint | None = None,
    cuda_graphs: bool = False,
) -> Result:
    """Measure how long a model takes, alone or in turns with another on the same input (docs/bench.md).

    What else this process does is measured too; `resnet-gen bench` has a process of its own. Warns as `run` does.

    Args:
        model: As for `run`.
        against: A second model; it takes turns with the first in short blocks.
        batch: Images at once; the model's own batch, or 1.
        seconds: How long to measure each; None to count `repeat` runs alone.
        repeat: Timed runs of each at most.
        weights: The specs' weights, as for `emit_onnx`.
        seed: Seed of the specs' weights without them, and of the input.
        fold: Fold the specs' batch norms.
        runtime: What runs the first.
        against_runtime: What runs the second.
        precision_hint: The type that OpenVINO is asked to compute in, where it runs one; the file's own.
        cuda_graphs: Launch an engine's work as a CUDA graph, captured once.

    Returns:
        A timing for each model, in seconds a batch, and what the outputs of two differ by.

    Raises:
        Refused: As `run`.

    Example:
        >>> from resnet_gen import bench
        >>> result = bench("cifar-resnet20", "cifar-resnet32", seconds=None, repeat=2)
        >>> [timing.runs for timing in result.timings], result.shape
        ([2, 2], (1, 3, 32, 32))
    """
    from resnet_gen.build.models import ModelSource, choose_runners, find_own_image
    from resnet_gen.speed.benchmark import Effort

    check_within("batch", batch, *MEASURED_BATCHES)
    check_within("seed", seed, *SEEDS)
    _check_effort(seconds, repeat)
    models = [(model, runtime), *([(against, against_runtime)] if against is not None else [])]
    tunings = _ask_for_graphs(models, resolve_tunings([by for _, by in models], precision_hint), cuda_graphs)
    source = ModelSource((), resolve_weights(weights), seed, fold)
    opened = open_models(models, source, batch or 1, tunings)
    runners = choose_runners(opened)
    result = _measure_models(runners, find_own_image(opened), batch, seed, Effort(seconds, repeat))
    for runner, own in zip(runners, tunings, strict=True):
        warn_of_numerics(runner, own)
    return result


def _ask_for_graphs(
    models: Sequence[tuple[Network, Runtime | None]], tunings: Sequence[Tuning], wanted: bool
) -> list[Tuning]:
    """The same, with CUDA graphs for the engines where they are wanted; raises `Refused` where there is no engine."""
    if not wanted:
        return list(tunings)
    from resnet_gen.engine.tensorrt import BACKENDS

    graphed = [(by or suitable_runtime(str(one))) in BACKENDS for one, by in models]
    if not any(graphed):
        raise refuse("cuda_graphs: means something for engines alone", hint="runtime='tensorrt-rtx'")
    return [own._replace(cuda_graphs=on) for own, on in zip(tunings, graphed, strict=True)]


def _measure_models(
    runners: Sequence[Runner], image: tuple[int, ...] | None, batch: int | None, seed: int, effort: Effort
) -> Result:
    import numpy as np

    from resnet_gen.engine.base import draw_input
    from resnet_gen.speed.benchmark import find_common_shape, measure

    shape = find_common_shape(runners, None, batch, image)
    x = draw_input(shape, seed, of_bytes=any(runner.dtype == np.uint8 for runner in runners))
    return measure(runners, x, effort)


def _check_effort(seconds: float | None, repeat: int | None) -> None:
    check_within("repeat", repeat, *REPEATS)
    shortest, longest = SECONDS
    timed = isinstance(seconds, (int, float)) and shortest <= seconds <= longest
    if not timed and (seconds is not None or repeat is None):
        message = f"seconds: neither a time from {shortest} to {longest:,} s nor a number of runs"
        raise refuse(message, hint="give 'repeat'")


def resolve_tunings(runtimes: Sequence[Runtime | None], hint: Hint | None) -> list[Tuning]:
    """How each model is run; raises `Refused` for a hint that none of them would take."""
    from resnet_gen.engine.base import Tuning

    check_one_of("precision_hint", hint, HINTS)
    if hint and "openvino" not in runtimes:
        raise refuse("precision_hint means something for openvino alone", hint="give runtime='openvino'")
    tuning = Tuning(takes_turns=len(runtimes) > 1, tells_types=True)
    return [tuning._replace(precision_hint=hint if by == "openvino" else None) for by in runtimes]


def warn_of_numerics(runner: Runner, asked: Tuning, level: int = 3, more: Sequence[str] = ()) -> None:
    """Warn who called the function that calls this of what this processor does not compute, and of `more`.

    After the first run. `level` is how many calls up that is.
    """
    from resnet_gen.engine.cpu_numerics import list_departures

    for line in (*list_departures(runner, asked), *more):
        warnings.warn(line, stacklevel=level)


def predict(
    spec: Network, device: Device, *, precision: Precision | None = None, batch: int = PREDICTED_BATCH
) -> Prediction:
    """Predict how fast a network runs on a device: a roofline of the kernels that an engine runs (docs/predict.md).

    Args:
        spec: A loaded spec, a name, or a path, of an ONNX file too: its own layers. Warns
            where no spec is recovered from it; stages are then the first words of its layers' names.
        device: A loaded device, a name, as `list_targets` has them, or a path.
        precision: What layers compute in; None for an ONNX file's own, and "fp16" of a spec.
        batch: Images at once.

    Returns:
        The time of a pass in seconds, images a second, and rows a stage or a layer with MACs, bytes and what bounds
        each.

    Raises:
        Refused: For what the device cannot do, or what nobody can know of it.

    Source:
        Williams et al. 2009, Roofline, for the model; docs/predict.md for how far it was from what others measured.

    Example:
        >>> from resnet_gen import predict
        >>> prediction = predict("resnet50", "t4", precision="int8", batch=32)
        >>> f"{1e3 * prediction.seconds:.1f} ms, {prediction.images_per_second:.0f} images/s"
        '8.1 ms, 3957 images/s'
        >>> prediction.stages()[1].bound
        'memory'
    """
    from resnet_gen.speed.prediction import choose_precision
    from resnet_gen.speed.prediction import predict as predicted

    if precision is not None:
        check_one_of("precision", precision, PRECISIONS)
    check_within("batch", batch, *BATCHES)
    source = resolve_network(spec)
    source.check_known("predict")
    chosen, _ = choose_precision(precision, source.own_precision)
    return predicted(source.staged or source.graph, resolve_target(device), chosen, batch)


def list_targets() -> tuple[str, ...]:
    """The names of the shipped devices, in alphabetical order (docs/targets.md).

    Returns:
        Names that every function here takes for a device.

    Example:
        >>> from resnet_gen import list_targets
        >>> "jetson-nano" in list_targets()
        True
    """
    from resnet_gen.speed.targets import shipped_targets

    return tuple(shipped_targets())


def load_target(device: Device) -> Target:
    """Load and check a device: a shipped one by its name, or a YAML file by its path.

    Args:
        device: A name, as `list_targets` has them, or a path.

    Returns:
        The device: precisions, opset, memory in 10^9 bytes, bandwidth in 10^9 bytes/s, peaks in 10^12 operations/s.

    Raises:
        Refused: For whatever is wrong with it, each fault at its file, line and column.

    Example:
        >>> from resnet_gen import load_target
        >>> t4 = load_target("t4")
        >>> t4.compute_capability, t4.memory_gb, t4.precisions
        ('7.5', 16.0, ('fp32', 'fp16', 'int8'))
    """
    return resolve_target(device)


def open_models(
    models: Sequence[tuple[Network, Runtime | None]], source: ModelSource, batch: int, tunings: Sequence[Tuning]
) -> list[RunnableModel]:
    """Each model opened on its runtime; what is set for specs is not for a file beside one, refused of files alone."""
    from resnet_gen.build.models import ModelSource, is_model_file

    files = [not isinstance(each, Loaded) and is_model_file(name_of(each)) for each, _ in models]
    sources = [ModelSource() if of_file and not all(files) else source for of_file in files]
    each_model = zip(models, sources, tunings, strict=True)
    return [_open_model(one, made, by, batch, own) for (one, by), made, own in each_model]


def _open_model(
    model: Network, source: ModelSource, runtime: Runtime | None, batch: int, tuning: Tuning
) -> RunnableModel:
    """A model's file opened, or a spec built and opened."""
    from resnet_gen.build.models import open_model_file, open_spec, refuse_ignored

    check_one_of("runtime", runtime, RUNTIMES)
    if isinstance(model, Loaded):
        return open_spec(model, source, runtime or suitable_runtime(""), tuning, (batch,))
    name = name_of(model)
    refuse_ignored(name, source._replace(seed=source.seed or None))
    return open_model_file(name, source, runtime, tuning, (batch,))

"""Code and weights: source code of a network, and checkpoints under other names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from resnet_gen.api.arguments import (
    AnyPath,
    Network,
    check_one_of,
    check_within,
    list_files_read,
    resolve_or_recover,
    resolve_spec,
    resolve_weights,
)
from resnet_gen.build.output_kinds import LANGUAGES, Language
from resnet_gen.infer.conversion.files import Conversion, plan_conversion, write_conversion
from resnet_gen.infer.conversion.heads import HEADS
from resnet_gen.infer.conversion.plan import ConversionOptions
from resnet_gen.language.lower import with_classes_and_channels
from resnet_gen.ops.limits import CHANNELS, CLASSES
from resnet_gen.problems import refuse
from resnet_gen.system.journal import recover
from resnet_gen.system.write import check_free
from resnet_gen.weights.downloads.location import locate_weights
from resnet_gen.weights.downloads.names import list_local_files
from resnet_gen.weights.patterns import SPARSE_PATTERNS, SparsePattern
from resnet_gen.weights.seeds import DEFAULT_SEED, SEEDS

if TYPE_CHECKING:
    from resnet_gen.quantization.pruned_checkpoint import Pruning


@overload
def generate(spec: Network, to: Language) -> dict[str, str]: ...
@overload
def generate(spec: Network, to: Language, folder: AnyPath, *, replace: bool = False) -> tuple[Path, ...]: ...
def generate(
    spec: Network, to: Language, folder: AnyPath | None = None, *, replace: bool = False
) -> dict[str, str] | tuple[Path, ...]:
    """Generate source code, what a server needs, or a model card (docs/generate.md).

    Args:
        spec: The network; of an ONNX file, the spec that is recovered from it (`import_file` says what it lacks).
        to: What is generated.
        folder: Where to write it; a card lists the files of the build that lies there.
        replace: Replace files that differ from what is written.

    Returns:
        The paths of the files; without a folder their texts, by name, and nothing is written.

    Raises:
        Refused: For a network that the target has no words for, and for a file that is there and differs.

    Example:
        >>> from resnet_gen import generate
        >>> texts = generate("resnet50", "pytorch")
        >>> print(texts["resnet50.py"])
        \"\"\"ResNet-50 v1.5 in PyTorch.
        ...
        class Bottleneck(nn.Module):
        ...
        >>> [path.name for path in generate("resnet50", "pytorch", "models")]
        ['resnet50.py']
    """
    from resnet_gen.generate.base import CodeSubject, generate_files
    from resnet_gen.generate.output import write_generated

    check_one_of("to", to, LANGUAGES)
    place = None if folder is None else Path(folder)
    if place is not None:
        recover(place)  # a card lists what is built there
    texts = generate_files(CodeSubject(resolve_or_recover(spec, "generate"), place), to)
    return texts if place is None else tuple(write_generated(place, texts, replace=replace))


def convert_weights(
    spec: Network,
    checkpoint: AnyPath,
    path: AnyPath,
    *,
    to: str | None = None,
    names: str | None = None,
    classes: int | None = None,
    in_channels: int | None = None,
    head: Literal["drop", "init"] | None = None,
    seed: int = DEFAULT_SEED,
    rename: Sequence[str] = (),
    replace: bool = False,
) -> Conversion:
    """Write a checkpoint under other names, for other classes or input channels (docs/weights.md).

    Args:
        spec: The network that the checkpoint is of.
        checkpoint: Its weights: safetensors, `.npz`, a PyTorch checkpoint (no code is run), or a published name.
        path: Where to write: `.safetensors`, `.npz`, `.pth` or `.pt`.
        to: `torchvision`, `timm`, `flax` or a naming scheme; the spec's own.
        names: The same of the checkpoint; what its names are of.
        classes: Classes of the result, from 1; the spec's.
        in_channels: Channels of the image, from 1; the first convolution is changed. The spec's.
        head: The head is left out, or drawn anew; one for another number of classes needs either.
        seed: Seed of a new head, from 0.
        rename: Rules `PATTERN=NAME` for names of the checkpoint, in order: `["backbone.*=*"]`; no name leaves out.
        replace: Replace a file that is there.

    Returns:
        What was done: `rows`, one for each tensor, and `totals()`.

    Raises:
        Refused: For a checkpoint of another network, and names that the network does not have.

    Example:
        >>> import numpy as np
        >>> from resnet_gen import build_graph, convert_weights
        >>> state = build_graph("cifar-resnet20").state()
        >>> np.savez("trained.npz", **{name: np.zeros(tensor.shape, np.float32) for name, tensor in state.items()})
        >>> made = convert_weights("cifar-resnet20", "trained.npz", "flax.safetensors", to="flax")
        >>> made.totals()["written"]
        97
        >>> made.rows[0].old, made.rows[0].new
        ('conv1.weight', 'conv1.kernel')
    """
    check_one_of("head", head, HEADS)
    check_within("classes", classes, *CLASSES)
    check_within("in_channels", in_channels, *CHANNELS)
    check_within("seed", seed, *SEEDS)
    source, out = resolve_weights(checkpoint), Path(path)
    check_free(out, [*list_local_files(source), *list_files_read(spec)], replace=replace)
    if seed and head != "init":
        raise refuse("seed: means nothing without head='init'")
    change = ConversionOptions(head, seed, in_channels is not None)
    loaded = with_classes_and_channels(resolve_spec(spec), classes, in_channels)
    file = locate_weights(source, resolve_spec(spec)).path
    conversion = plan_conversion(loaded, file, out, to, names, change, rename)
    write_conversion(conversion, out, file)
    return conversion


def prune_weights(
    spec: Network,
    checkpoint: AnyPath,
    path: AnyPath,
    *,
    pattern: SparsePattern = SPARSE_PATTERNS[0],
    keep: Sequence[str] = (),
    calibration: AnyPath | None = None,
    replace: bool = False,
) -> Pruning:
    """Write a checkpoint with two of every four weights zero, for sparse tensor cores (docs/engines.md).

    Of every four input channels in a row the two weights of the least magnitude go, for each output channel and place
    of a kernel; everything else is copied bit for bit.

    Args:
        spec: The network that the checkpoint is of.
        checkpoint: Its weights under the spec's names, as for `emit_onnx`.
        path: Where to write: `.safetensors`, `.npz`, `.pth` or `.pt`.
        pattern: The pattern of zeros.
        keep: Names or globs of layers that stay whole.
        calibration: A folder or an `.npz` of images to measure the cost on; drawn noise without it.
        replace: Replace a file that is there.

    Returns:
        Each tensor's zeros and relative error, what stayed whole and why, and the signal to noise of the outputs.

    Raises:
        Refused: For a checkpoint of another network, and where no layer can be pruned.

    Example:
        >>> import numpy as np
        >>> from resnet_gen import build_graph, prune_weights
        >>> state = build_graph("cifar-resnet20").state()
        >>> np.savez("trained.npz", **{name: np.ones(tensor.shape, np.float32) for name, tensor in state.items()})
        >>> pruning = prune_weights("cifar-resnet20", "trained.npz", "sparse.npz", keep=["fc"])
        >>> pruning.share, pruning.tensors[0].name, pruning.whole
        (0.5, 'layer1.0.conv1.weight', {'conv1.weight': '3 input channels, no multiple of 4', 'fc.weight': 'kept'})
    """
    from resnet_gen.quantization.pruned_checkpoint import prune_checkpoint

    check_one_of("pattern", pattern, SPARSE_PATTERNS)
    source, out = Path(checkpoint), Path(path)
    check_free(out, [source, *list_files_read(spec)], replace=replace)
    images = None if calibration is None else os.fspath(calibration)
    return prune_checkpoint(resolve_spec(spec), source, out, images, keep)

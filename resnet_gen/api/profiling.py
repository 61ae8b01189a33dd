"""Profiles: how long the layers of an engine took, beside what was predicted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_gen.api.arguments import (
    AnyPath,
    Device,
    Network,
    check_one_of,
    check_within,
    resolve_spec,
    resolve_target,
)
from resnet_gen.ops.limits import BATCHES
from resnet_gen.ops.precision import PRECISIONS, Precision

if TYPE_CHECKING:
    from resnet_gen.speed.layer_comparison import LayerComparison


def profile(
    files: AnyPath | Sequence[AnyPath],
    spec: Network | None = None,
    *,
    device: Device | None = None,
    precision: Precision | None = None,
    batch: int | None = None,
) -> LayerComparison:
    """Lay the measured layers of an engine beside the predicted kernels, by name (docs/engines.md).

    Args:
        files: What `trtexec --exportProfile` or ONNX Runtime's profiler wrote, and beside it what
            `trtexec --exportLayerInfo` wrote, which says what fused layers are of.
        spec: The network that was measured; that of the manifest beside the first file.
        device: Where it ran; the manifest's.
        precision: What layers computed in; the manifest's, or fp16, or fp32 on a CPU.
        batch: Images at once; the one that the manifest's bundle is tuned for, or 1.

    Returns:
        Rows of layers and kernels that compute the same nodes, those that only one of the two has, and the efficiency
        that the device had.

    Raises:
        Refused: For files that are no profile, and for a network or a device that nobody says or can predict.

    Example:
        >>> import json, pathlib
        >>> from resnet_gen import profile
        >>> layers = [{"name": "conv1 + bn1 + relu", "timeMs": 10, "averageMs": 0.1, "percentage": 100}]
        >>> _ = pathlib.Path("net.profile.json").write_text(json.dumps([{"count": 100}, *layers]))
        >>> found = profile("net.profile.json", "cifar-resnet20", device="t4")
        >>> [row.name for row in found.matched], len(found.unmeasured)
        (['conv1'], 24)
    """
    from resnet_gen.build.profile_subject import ProfileSubject, compare_files

    check_one_of("precision", precision, PRECISIONS)
    check_within("batch", batch, *BATCHES)
    paths = [Path(files)] if isinstance(files, (str, os.PathLike)) else [Path(file) for file in files]
    network = None if spec is None else resolve_spec(spec)
    target = None if device is None else resolve_target(device)
    return compare_files(paths, ProfileSubject(network, target, precision, batch))[1]

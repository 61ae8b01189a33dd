"""What goes to a device beside the ONNX file: scripts that build its engine there and try it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from resnet_gen.build import trtexec
from resnet_gen.build.manifest import file_name
from resnet_gen.build.tuning_record import UNTUNED, EngineTuning
from resnet_gen.engine.names import ONNX
from resnet_gen.graph import Value
from resnet_gen.language.engine_options import ShapeProfile
from resnet_gen.system.templates import render
from resnet_gen.weights.base import Array

TOLERANCE = {"fp32": 0.001, "fp16": 0.02, "bf16": 0.1, "int8": 0.1, "fp8": 0.1}
"""How far outputs may be off: the root mean square of the difference over that of the outputs.

What is in eight bits is compared with the network in the same eight bits.
"""
_TF32 = 0.01
"""The same of float32 where products may be TF32."""
_MOST_VALUES = 10_000
"""Values of an output that are compared; of larger ones, every n-th."""
_LARGEST_WORKSPACE = 4096


@dataclass(frozen=True)
class BundleRequest:
    """What is built, and where: `version` is TensorRT's, `batches` least, best and most, or one that is fixed.

    `serves_pixels` where it takes no normalized images; `names_classes` where outputs are numbers of classes. `size`
    is that of the image with which it is tried, where the engine takes several.
    """

    name: str
    precision: str
    title: str
    version: str
    memory_gb: float | None
    input: Value
    batches: tuple[int, ...]
    model: str
    engine: str
    served: bool = False
    tf32: bool = False
    tuning: EngineTuning = UNTUNED
    serves_pixels: bool = False
    names_classes: bool = False
    size: tuple[int, ...] = ()

    @property
    def tolerance(self) -> float:
        """How far the engine's outputs may be off."""
        return _TF32 if self.tf32 and self.precision == "fp32" else TOLERANCE[self.precision]

    def list_build_options(self) -> list[str]:
        """The options of trtexec that build the engine, quoted for a shell, but for the names of files."""
        given = trtexec.list_build_options(self.version, self.precision, tf32=self.tf32)
        profiles = self.tuning.profiles or ((ShapeProfile(self.batches),) if len(self.batches) == 3 else ())
        given += trtexec.list_shape_options(self.input, profiles)
        given += trtexec.list_tuning_options(self.tuning.settings) if self.tuning.settings else []
        return [*map(shlex.quote, given), trtexec.format_workspace(self.version, '"$workspace"')]

    def list_run_options(self) -> list[str]:
        """The options of trtexec that run the engine, without the names of files."""
        return self._list_loading_options(0, timed=False)

    def list_profiling_options(self) -> list[str]:
        """The same for timing its layers, with the batch that it is tuned for."""
        return self._list_loading_options(1, timed=True)

    def _list_loading_options(self, step: int, *, timed: bool) -> list[str]:
        given = trtexec.list_loading_options(self.tuning.settings, timed=timed)
        if len(self.batches) != 3:
            return given
        shape = trtexec.format_shape(self.input, self.batches[step], self.size)
        return [f"--shapes={shlex.quote(shape)}", *given]

    @property
    def timing_cache(self) -> str:
        """The file of measured tactics, on the device; empty at the optimization level that reads none."""
        settings = self.tuning.settings
        if settings and settings.optimization_level == 0:
            return ""
        return (settings and settings.timing_cache) or f"{self.name}.timing.cache"

    @property
    def workspace(self) -> int:
        """MiB for tactics: what was said, else what the device can spare."""
        return (self.tuning.settings and self.tuning.settings.workspace) or self.compute_workspace()

    @property
    def is_stripped(self) -> bool:
        """Whether the engine has no weights, and so cannot be tried."""
        return bool(self.tuning.settings and self.tuning.settings.strip_weights)

    def compute_workspace(self) -> int:
        """MiB for tactics: a power of two, no more than a quarter of the device's memory."""
        quarter = int((self.memory_gb or 4) * 1e9 / 4 / (1 << 20))
        return min(_LARGEST_WORKSPACE, 1 << (max(1, quarter).bit_length() - 1))


def bundle_files(
    order: BundleRequest, image: bytes, outputs: Mapping[str, Array], files: Mapping[str, str]
) -> dict[str, bytes]:
    """The files of a bundle by name; `files` are those that are there already, with their SHA-256."""
    models = {name: digest for name, digest in files.items() if ONNX in name}
    given = {"order": order, "manifest": file_name(order.name), "files": models}
    texts = {
        "build.sh": render("bundle/build.sh.jinja", **given),
        "check.py": render("bundle/check.py.jinja", **given),
        "expected.json": _dump_outputs(order, outputs),
        "bundle.md": render("bundle/bundle.md.jinja", **given),
    }
    return {f"{order.name}.input.bin": image, **{f"{order.name}.{end}": text.encode() for end, text in texts.items()}}


def _dump_outputs(order: BundleRequest, outputs: Mapping[str, Array]) -> str:
    entries = {}
    for name, values in outputs.items():
        every = -(-values.size // _MOST_VALUES)
        shown = [float(f"{value:.6g}") for value in np.ravel(values)[::every].tolist()]
        entries[name] = {"shape": list(values.shape), "every": every, "values": shown}
    return json.dumps({"tolerance": order.tolerance, "outputs": entries}) + "\n"

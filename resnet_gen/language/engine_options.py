"""The options of an engine's build, each once: what it may be, which TensorRT has it, and why another has not.

The command line, the API, the schema, refusals, the manifest and the table of docs/engines.md are made of this. When
`trtexec` got a flag is read from the tags of its source (samples/common/sampleOptions.cpp of NVIDIA/TensorRT).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from resnet_gen.problems import Bounds

OPTIMIZATION_LEVELS = Bounds(0, 5)
"""Of TensorRT's builder; it takes 3 by itself."""
WORKSPACES = Bounds(1, 1 << 20)
"""MiB that tactics may take."""
DLA_CORES = Bounds(0, 7)
"""Numbers of a DLA core; no module has more than two."""
MOST_PROFILES = 16
"""Optimization profiles of an engine: each adds its own copy of what depends on shapes."""
MOST_FLAGS = 32
"""Flags for `trtexec` of one build."""

Hardware: TypeAlias = Literal["ampere+", "same-compute-capability"]
"""GPUs that an engine of one GPU is for."""
HARDWARE: dict[Hardware, str] = {"ampere+": "AMPERE_PLUS", "same-compute-capability": "SAME_COMPUTE_CAPABILITY"}
"""What TensorRT calls them."""
CAMEL_CASE: dict[Hardware, str] = {"ampere+": "ampere+", "same-compute-capability": "sameComputeCapability"}
"""What `trtexec` calls them."""

ValueKind: TypeAlias = Literal["number", "switch", "word", "file", "profiles", "flags"]
"""What the value of an option is."""
Release: TypeAlias = tuple[int, int]
"""Major and minor version of TensorRT."""


class EngineOption(NamedTuple):
    """One option: its key in files, its words on the command line, and where it exists."""

    key: str
    """In a spec, a project file, a device file, a manifest, and from Python."""
    kind: ValueKind
    """What its value is."""
    help: str
    """What it does."""
    since: Release
    """The first TensorRT whose `trtexec` has it."""
    trtexec: str
    """How `trtexec` spells it, with `{}` for the value."""
    values: Bounds | tuple[str, ...] | None = None
    """The range of a number, or the words there are."""
    not_rtx: str | None = None
    """Why TensorRT-RTX has it not; None where it has."""
    not_library: str | None = None
    """The same of TensorRT's library, where a bundle alone has it."""
    flag: str | None = None
    """What the command line calls it, if not as the key."""
    runs: bool = False
    """Whether it says how the engine is run: its bytes are the same with and without it."""

    @property
    def option(self) -> str:
        """Its name on the command line."""
        return self.flag or "--" + self.key.replace("_", "-")


_SAME_ENGINE = "TensorRT-RTX 1.7 builds the same engine with and without it: kernels are chosen where it runs"

OPTIONS = {
    option.key: option
    for option in (
        EngineOption(
            "timing_cache", "file", "File of measured tactics, read before a build and renewed by it.",
            (8, 2), "--timingCacheFile={}", not_rtx="a timing cache does nothing there since TensorRT-RTX 1.2",
        ),
        EngineOption(
            "optimization_level", "number", "How long the builder looks for faster kernels; it takes 3 by itself.",
            (8, 6), "--builderOptimizationLevel={}", OPTIMIZATION_LEVELS, _SAME_ENGINE,
        ),
        EngineOption(
            "workspace", "number", "MiB that tactics may take.", (8, 2), "--memPoolSize=workspace:{}", WORKSPACES
        ),
        EngineOption(
            "profiles", "profiles", "Shapes that the engine takes, each the smallest, the tuned-for and the largest.",
            (10, 0), "--profile={}", flag="--min-shapes",
        ),
        EngineOption(
            "hardware_compatibility", "word", "GPUs beside the one that it is built on which are to run it.",
            (8, 6), "--hardwareCompatibilityLevel={}", tuple(HARDWARE),
            "TensorRT-RTX has no such engines: --sm names what they are for",
        ),
        EngineOption(
            "version_compatible", "switch", "Let later releases of the same major version run it.",
            (8, 6), "--versionCompatible",
            not_rtx="it needs TensorRT's lean runtime, which TensorRT-RTX does not come with",
        ),
        EngineOption(
            "strip_weights", "switch", "Leave out the weights; they are put in from the ONNX file where it runs.",
            (10, 0), "--stripWeights",
        ),
        EngineOption("refit", "switch", "Let weights be exchanged later.", (8, 2), "--refit"),
        EngineOption(
            "dla_core", "number", "DLA core that it runs on.", (8, 2), "--useDLACore={}", DLA_CORES,
            "TensorRT-RTX knows no DLA",
        ),
        EngineOption(
            "gpu_fallback", "switch", "Let the GPU do what the DLA cannot.", (8, 2), "--allowGPUFallback",
            not_rtx="TensorRT-RTX knows no DLA",
        ),
        EngineOption(
            "sparsity", "switch", "Use kernels for weights of which two in four are zero (`weights prune`).",
            (8, 2), "--sparsity=enable", not_rtx=_SAME_ENGINE,
        ),
        EngineOption(
            "cuda_graphs", "switch", "Launch the work of a batch as one CUDA graph where the engine runs.",
            (8, 2), "--useCudaGraph", runs=True,
        ),
        EngineOption(
            "extra_flags", "flags", "Flag that the bundle's script hands to trtexec as it is.", (8, 2), "{}",
            not_rtx="there is no trtexec in between", not_library="there is no trtexec in between",
            flag="--trtexec-flag",
        ),
    )
}  # fmt: skip
"""By key, in the order of tables."""

SAME_CAPABILITY_SINCE = (10, 9)
"""The first TensorRT that has `same-compute-capability`."""


class ShapeProfile(NamedTuple):
    """One optimization profile: batches and, where the map's size is symbolic, (height, width), each three times."""

    batches: tuple[int, int, int]
    sizes: tuple[tuple[int, int], ...] = ()

    def data(self) -> list[int] | list[list[int]]:
        """As files have it: three batches, or three lists of batch, height and width."""
        if not self.sizes:
            return list(self.batches)
        return [[batch, *size] for batch, size in zip(self.batches, self.sizes, strict=True)]


def parse_release(version: str) -> Release:
    """Major and minor of a version; of one that says the major alone, the newest of it."""
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    major, minor = (*numbers, 99)[:2] if numbers else (0, 0)
    return major, minor


def explain_absence(key: str, value: object, library: str, version: str | None) -> str | None:
    """Why a library (`tensorrt-rtx`, `tensorrt` or `trtexec`) has not this value of an option; None if it has.

    `version` is the library's, where it is known.
    """
    option = OPTIONS[key]
    if library == "tensorrt-rtx":
        return option.not_rtx
    if library == "tensorrt" and option.not_library:
        return option.not_library
    if key == "profiles" and (library != "trtexec" or _count(value) < 2):
        return None
    since = SAME_CAPABILITY_SINCE if value == "same-compute-capability" else option.since
    if version is None or parse_release(version) >= since:
        return None
    return f"TensorRT has it since {since[0]}.{since[1]}, and this is {version}"


def _count(value: object) -> int:
    return len(value) if isinstance(value, Sequence) else 1

"""The options of an engine's build, set in TensorRT's builder; what it has not is refused before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from resnet_gen.language.engine_options import HARDWARE, OPTIONS, ShapeProfile, explain_absence
from resnet_gen.problems import refuse

if TYPE_CHECKING:
    from resnet_gen.language.engine_settings import EngineSettings

NEEDS_DRIVER = "stripping weights and refitting need a GPU's driver where TensorRT-RTX builds (1.7)"
MOST_CACHE = 256 << 20
"""Bytes of a timing cache; those of TensorRT's builds have some hundred kilobytes."""


class BuilderTuning(NamedTuple):
    """How an engine is built: what was asked for, every profile of its shapes, and the bytes of a timing cache.

    Without profiles the engine has none, or the one that goes with its batch. The cache may be empty, to begin one.
    """

    settings: EngineSettings | None = None
    profiles: tuple[ShapeProfile, ...] = ()
    timing_cache: bytes | None = None

    @property
    def exchanges_weights(self) -> bool:
        """Whether weights are left out, or may be exchanged."""
        return bool(self.settings and (self.settings.strip_weights or self.settings.refit))


NO_TUNING = BuilderTuning()


def apply_tuning(trt: Any, library: str, builder: Any, config: Any, tuning: BuilderTuning) -> None:
    """Set what was asked for; raises `Refused` for what this version of the library, or this machine, has not."""
    if tuning.settings:
        for key, value in tuning.settings.items():
            if reason := explain_absence(key, value, library, trt.__version__):
                raise refuse(f"{OPTIONS[key].option}: {library} has it not: {reason}")
            if key in _SETTERS and value is not False:
                _SETTERS[key](trt, config, value)
        if tuning.settings.dla_core is not None:
            _choose_dla(trt, builder, config, tuning.settings)
    if tuning.timing_cache is not None:
        cache = config.create_timing_cache(tuning.timing_cache)
        if cache is None or not config.set_timing_cache(cache, False):
            message = f"{library} does not take this timing cache: it is damaged, or of another version or GPU"
            raise refuse(message, hint="remove it, or name another: a new one is begun")


def read_timing_cache(config: Any) -> bytes:
    """What the builder has measured by now."""
    return bytes(config.get_timing_cache().serialize())


def _choose_dla(trt: Any, builder: Any, config: Any, settings: EngineSettings) -> None:
    core, there = settings.dla_core, builder.num_DLA_cores
    if core is None or core >= there:
        raise refuse(f"--dla-core {core}: this machine has {there or 'no'} DLA cores")
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    if settings.gpu_fallback is not False:
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _flag(name: str) -> Callable[[Any, Any, Any], None]:
    return lambda trt, config, _: config.set_flag(getattr(trt.BuilderFlag, name))


def _set_level(_: Any, config: Any, level: int) -> None:
    config.builder_optimization_level = level


def _set_workspace(trt: Any, config: Any, mebibytes: int) -> None:
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, mebibytes << 20)


def _set_hardware(trt: Any, config: Any, kind: Any) -> None:
    config.hardware_compatibility_level = getattr(trt.HardwareCompatibilityLevel, HARDWARE[kind])


_SETTERS: dict[str, Callable[[Any, Any, Any], None]] = {
    "optimization_level": _set_level,
    "workspace": _set_workspace,
    "hardware_compatibility": _set_hardware,
    "version_compatible": _flag("VERSION_COMPATIBLE"),
    "strip_weights": _flag("STRIP_PLAN"),
    "refit": _flag("REFIT"),
    "sparsity": _flag("SPARSE_WEIGHTS"),
}
"""How the builder is told; a timing cache, profiles and a DLA are set otherwise."""

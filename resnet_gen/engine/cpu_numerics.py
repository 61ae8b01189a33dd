"""What the processor of this machine does not compute as a file or a user asks for it, or not as fast as expected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from resnet_gen.engine.base import Runner, Tuning
from resnet_gen.engine.names import ONNX
from resnet_gen.problems import Refused
from resnet_gen.system.files import open_regular_file

SEVEN_BITS = 64
"""The sum of two products of an unsigned byte and a weight of at most this magnitude is one that 16 bits hold."""
FOR_SATURATION = "for such CPUs, build --for cpu-avx2, or with --reduce-range"


def find_other_type(runner: Runner, asked: Tuning) -> str | None:
    """In what the layers are computed where none is in the type that was asked for."""
    used = runner.runtime.get("precision", "")
    if not asked.precision_hint or asked.precision_hint in used.split(", "):
        return None
    return f"{runner.where}: {runner.runtime['library']} computes in {used} on this processor"


def describe_saturation(runner: Runner) -> str | None:
    """That this CPU does not compute what a file in eight bits says, if so; known after its first run."""
    path, used = Path(runner.where), runner.runtime.get("precision", "").split(", ")
    if path.suffix != ONNX or not {"u8", "i8"}.intersection(used) or not sums_saturate() or has_seven_bits(path):
        return None
    return describe_saturation_by(runner.runtime["library"], runner.where)


def describe_saturation_by(library: str, where: str) -> str:
    """What a library does with the eight bits of a file, or a network, on a CPU that has not what they want."""
    return f"{where}: this CPU has no VNNI: {library} saturates sums of 8-bit products here"


def describe_slow_bfloat16(runner: Runner) -> str | None:
    """That OpenVINO computes a model in bfloat16 where float32 is faster, if so; known after its first run."""
    used = runner.runtime.get("precision", "").split(", ")
    if runner.runtime["library"] != "openvino" or "bf16" not in used or not slows_bfloat16():
        return None
    return f"{runner.where}: {SLOW_BFLOAT16}"


SLOW_BFLOAT16 = (
    "this CPU has AVX512-BF16 and no AMX: OpenVINO computes bfloat16 slower than float32 here "
    "(0.6 times as fast, measured with ResNet-50)"
)
FOR_SLOW_BFLOAT16 = "FP32 is faster on such CPUs, and INT8 much faster: --precision-hint f32, or build --precision int8"


def slows_bfloat16() -> bool:
    """Whether this is an Intel CPU with AVX512-BF16 alone; AMD's compute it twice as fast as float32.

    Where that cannot be found out, it is taken for a better one.
    """
    found = _read_processor()
    flags = found.get("flags", "").split()
    return found.get("vendor_id") == "GenuineIntel" and "avx512_bf16" in flags and "amx_bf16" not in flags


def list_departures(runner: Runner, asked: Tuning) -> list[str]:
    """All of this that holds for a model, each in one line; known after its first run."""
    saturated = describe_saturation(runner)
    slow = describe_slow_bfloat16(runner)
    lines = [
        find_other_type(runner, asked),
        f"{saturated}; {FOR_SATURATION}" if saturated else None,
        f"{slow}; {FOR_SLOW_BFLOAT16}" if slow else None,
    ]
    return [line for line in lines if line]


def sums_saturate() -> bool:
    """Whether this is an x86 CPU without VNNI; where that cannot be found out, it is taken for a better one."""
    flags = _read_processor().get("flags", "").split()
    return "avx2" in flags and not {"avx512_vnni", "avx_vnni", "amx_int8"}.intersection(flags)


def _read_processor() -> dict[str, str]:
    """What Linux says of the first processor, which the others are as; nothing where it does not."""
    found: dict[str, str] = {}
    try:
        with open_regular_file(Path("/proc/cpuinfo")) as lines:
            for line in lines:
                name, colon, value = line.decode(errors="replace").partition(":")
                if not colon:
                    break
                found[name.strip()] = value.strip()
    except OSError:
        return {}
    return found


def has_seven_bits(path: Path) -> bool:
    """Whether an ONNX file has weights in int8, and all of them within seven bits; not where nothing shows it."""
    from resnet_gen.onnx.reading.rounding_error import MissingNumbersError  # onnx, which files without Q/DQ do without

    try:
        largest = list(_find_largest(path))
    except (Refused, MissingNumbersError):  # a runtime may read what we do not
        return False
    return bool(largest) and max(largest) <= SEVEN_BITS


def _find_largest(path: Path) -> Iterator[int]:
    """The largest magnitude of each array of an ONNX file that has int8 in rows."""
    from resnet_gen.onnx.reading.constants import tensor_constant
    from resnet_gen.onnx.reading.model_outline import read_outline

    file = read_outline(path)
    for tensor, place in zip(file.model.graph.initializer, file.places, strict=True):
        if tensor.data_type == _INT8 and len(tensor.dims) > 1:
            values = tensor_constant(tensor, place, file, path).array()
            yield max(int(values.max(initial=0)), -int(values.min(initial=0)))


_INT8 = 3
"""Of ONNX's TensorProto.DataType."""

"""What to build, once everything is decided."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from resnet_gen.build.output_kinds import BATCH_RANGE
from resnet_gen.build.tuning_record import UNTUNED, EngineTuning
from resnet_gen.engine.tensorrt import BACKENDS, Backend, Profile
from resnet_gen.language.engine_options import ShapeProfile
from resnet_gen.ops import DType
from resnet_gen.ops.precision import COMPUTE, Calibration, Precision, QuantizationChoice
from resnet_gen.weights.downloads.names import WeightsSource
from resnet_gen.weights.seeds import DEFAULT_SEED

if TYPE_CHECKING:
    from resnet_gen.language.engine_settings import EngineSettings
    from resnet_gen.speed.targets import Target


class BuildBatch(NamedTuple):
    """The batch of a build: one size, or a symbolic one; `profile` is the range that was asked for, if one was.

    `image` is the (C, H, W) that was named beside it, which has to be the network's; a side that is a range is 0.
    `shapes` are all profiles, where they are several or of several sizes; `profile` is the first one's.
    """

    fixed: int | None = None
    profile: Profile | None = None
    image: tuple[int, ...] | None = None
    shapes: tuple[ShapeProfile, ...] = ()

    @property
    def is_said(self) -> bool:
        """Whether anything was asked for."""
        return self.fixed is not None or self.profile is not None

    @property
    def range(self) -> Profile:
        """What an engine takes where the batch is symbolic."""
        return self.profile or Profile(*BATCH_RANGE)


class EngineWishes(NamedTuple):
    """What is said of an engine's build beside the spec and the device: options, and the project file.

    With `frozen_cache` no timing cache is renewed.
    """

    option: EngineSettings | None = None
    project: EngineSettings | None = None
    frozen_cache: bool = False


@dataclass(frozen=True)
class Request:
    """What to build: target, precision, where the weights come from, and how it is written.

    `compute_capabilities` are numbers such as 86 for 8.6, for targets that name them. `quantizing` goes with the
    precisions int8 and fp8; `typed_io` gives inputs and outputs the type that is computed in, instead of float32;
    `tf32` lets a GPU multiply float32 in TF32. `images` are what the build is compared with float32 on, if it is
    (`compare`); else noise. `engine` is what is said of the engine's build, `tuning` what it comes to for one spec;
    `symbolic_size` leaves height and width open in a model that no engine is built of.
    """

    target: str = "onnx"
    precision: Precision = "fp32"
    compute_capabilities: tuple[int, ...] = ()
    opset: int | None = None
    batch: BuildBatch = field(default=BuildBatch())
    weights: WeightsSource | None = None
    seed: int = DEFAULT_SEED
    fold: bool = False
    quantizing: QuantizationChoice | None = None
    typed_io: bool = False
    device: Target | None = None
    tf32: bool = False
    images: Calibration | None = None
    compare: bool = False
    engine: EngineWishes = field(default=EngineWishes())
    symbolic_size: bool = False
    tuning: EngineTuning = field(default=UNTUNED)

    def freeze_cache(self) -> Request:
        """The same, renewing no timing cache, as of a build that is only compared."""
        return replace(self, engine=self.engine._replace(frozen_cache=True))

    @property
    def comparable(self) -> bool:
        """Whether what is built is not float32 as the specification has it, nor measured already by quantizing it."""
        return self.compute != "float32" or (self.fold and self.quantizing is None)

    @property
    def is_compared(self) -> bool:
        """Whether what is built is to be compared with float32."""
        return self.compare and self.comparable

    @property
    def compute(self) -> DType:
        """The float type that the network computes in, but for what is in eight bits."""
        return self.quantizing.compute if self.quantizing else COMPUTE[self.precision]

    @property
    def in_place(self) -> bool:
        """Whether an engine is to be built on the device, with the files of a bundle."""
        on_gpu = self.device is not None and self.device.engine != "onnx"
        return self.target == "bundle" or (self.target == "triton" and on_gpu)

    @property
    def backend(self) -> Backend | None:
        """The TensorRT library to build an engine with; None for ONNX alone."""
        return BACKENDS.get(self.target)

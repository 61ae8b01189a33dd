"""The families of parts, and what every part is built with.

A part is one choice of a specification: a stem, a block, a shortcut, ... It is a
frozen pydantic model (its settings) with a method that builds it out of
operations. Each lives in a file of its own below this package and belongs to
the family it derives from; `OneOf` turns a family into the tagged union that a
specification offers, so nothing else has to learn of a new part.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from abc import abstractmethod
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, Union, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from resnet_gen.graph import Net, Value
from resnet_gen.ops import Add, Conv, Function

Channels = Annotated[int, Field(ge=1, le=65_536)]
"""A number of channels."""
Kernel = Annotated[int, Field(ge=1, le=31)]
"""The side of a square window."""


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise PydanticCustomError("odd", "{side} is even: only an odd window can keep the map's size", {"side": side})
    return side


OddKernel = Annotated[Kernel, AfterValidator(_odd), Field(json_schema_extra={"not": {"multipleOf": 2}})]
"""The side of a convolution's window: odd, so that padding keeps the map's size."""


class Part(BaseModel):
    """One choice of a specification: its settings, and how it is built."""

    # A part is validated inside the whole spec's schema, so none of its own is built.
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)
    kind: Any

    @classmethod
    def kind_name(cls) -> str:
        """The word that a specification uses for this part."""
        return str(get_args(cls.model_fields["kind"].annotation)[0])


class Norm(Part):
    """Normalization after (or before) each convolution."""

    replaces_bias: ClassVar[bool] = True

    @abstractmethod
    def build(self, net: Net, name: str, x: Value) -> Value:
        """Add the normalization of `x` under `name`."""


class ActivationPart(Part):
    """The nonlinearity of the network."""

    function: ClassVar[Function]

    @abstractmethod
    def build(self, net: Net, name: str, x: Value) -> Value:
        """Add the activation of `x` under `name`."""


class Shortcut(Part):
    """The path around a block's branch, and how the two are joined."""

    def changes(self, x: Value, branch: Value) -> bool:
        """Whether the shortcut transforms `x` rather than handing it on."""
        return x.shape != branch.shape

    @abstractmethod
    def bridge(self, net: Net, x: Value, branch: Value, *, stride: int, using: Using) -> Value:
        """`x` (or what stands for it) in the shape of `branch`."""

    def join(self, net: Net, x: Value, branch: Value, *, stride: int, using: Using) -> Value:
        """The branch and the shortcut of `x`, joined; by default their sum."""
        around = self.bridge(net.scope("shortcut", role="shortcut"), x, branch, stride=stride, using=using)
        return net.add("add", Add(), branch, around)


class Using(NamedTuple):
    """What blocks are built with: the norm, activation and shortcut that the spec chose.

    `bare_shortcut` is set by pre-activation blocks, whose projections carry no
    norm of their own (He et al. 2016, Sec. 4).
    """

    norm: Norm
    activation: ActivationPart
    shortcut: Shortcut
    bare_shortcut: bool = False

    def conv(
        self, net: Net, name: str, x: Value, width: int, *, kernel: int, stride: int = 1, bias: bool | None = None
    ) -> Value:
        """A convolution that keeps the map's size at stride 1; biased where no norm follows."""
        bias = not self.norm.replaces_bias if bias is None else bias
        return net.add(name, Conv(width, kernel, stride, kernel // 2, bias=bias), x)

    def conv_norm(self, net: Net, number: str, x: Value, width: int, *, kernel: int, stride: int = 1) -> Value:
        """`conv<number>` and `norm<number>`."""
        y = self.conv(net, f"conv{number}", x, width, kernel=kernel, stride=stride)
        return self.norm.build(net, f"norm{number}", y)

    def conv_norm_act(self, net: Net, number: str, x: Value, width: int, *, kernel: int, stride: int = 1) -> Value:
        """`conv<number>`, `norm<number>` and `act<number>`."""
        y = self.conv_norm(net, number, x, width, kernel=kernel, stride=stride)
        return self.activation.build(net, f"act{number}", y)

    def norm_act(self, net: Net, number: str, x: Value) -> Value:
        """`norm<number>` and `act<number>`, as pre-activation blocks begin."""
        y = self.norm.build(net, f"norm{number}", x)
        return self.activation.build(net, f"act{number}", y)


class Stem(Part):
    """What stands before the first stage."""

    @abstractmethod
    def build(self, net: Net, x: Value, using: Using, *, bare: bool) -> Value:
        """Add the stem; `bare` leaves norm and activation to pre-activation blocks."""


@dataclass(frozen=True)
class Place:
    """Where a block stands: its filters, its stride, and its index in the stage."""

    width: int
    stride: int
    index: int


class Block(Part):
    """The unit that a stage repeats."""

    preactivated: ClassVar[bool] = False

    @abstractmethod
    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        """Add one block to the net."""


class Downsample(Part):
    """How a stage makes the map smaller."""

    @abstractmethod
    def default_strides(self, stages: int) -> tuple[int, ...]:
        """Strides where the specification gives none."""

    @abstractmethod
    def entering(self, strides: Sequence[int]) -> tuple[int, ...]:
        """By how much the map has shrunk between the previous stage's blocks and this one's."""

    @abstractmethod
    def block_stride(self, stride: int) -> int:
        """Stride of the first block of a stage that is to shrink the map by `stride`."""

    def after(self, net: Net, x: Value, stride: int) -> Value:
        """What is added after the blocks of a stage."""
        return x


class WidthRule(Part):
    """How many filters each stage has."""

    @abstractmethod
    def widths(self, entering: Sequence[int]) -> tuple[int, ...]:
        """Filters of each stage; `entering` is how much the map shrinks before each."""


class Head(Part):
    """What turns the last feature map into scores."""

    classes: int

    @abstractmethod
    def build(self, net: Net, x: Value, using: Using) -> Value:
        """Add the head and return the scores."""


class Naming(Part):
    """How layers, and with them parameters, are called."""

    @abstractmethod
    def names(self, paths: Sequence[str]) -> list[str]:
        """The published name of each path, in order."""


FAMILIES: tuple[type[Part], ...] = (
    Stem,
    Block,
    Shortcut,
    Downsample,
    WidthRule,
    Norm,
    ActivationPart,
    Head,
    Naming,
)


@cache
def _modules() -> list[str]:
    """The modules of all parts."""
    package = importlib.import_module("resnet_gen.parts")
    return [m.name for m in pkgutil.walk_packages(package.__path__, "resnet_gen.parts.") if not m.ispkg]


def load_parts(kinds: Container[str] | None = None) -> bool:
    """Import the parts of these kinds, or all; returns whether any is new.

    Each part takes a millisecond and lives in a module called after its kind, so
    that a command imports the few that its specification names.
    """
    wanted = [name for name in _modules() if kinds is None or name.rpartition(".")[2] in kinds]
    new = [name for name in wanted if name not in sys.modules]
    for name in new:
        importlib.import_module(name)
    return bool(new)


def members(family: type[Part]) -> tuple[type[Part], ...]:
    """The parts of a family that were imported, in alphabetical order of their kind."""
    found: set[type[Part]] = set()
    queue = [family]
    while queue:
        part = queue.pop()
        queue.extend(part.__subclasses__())
        if get_args(part.model_fields["kind"].annotation):
            found.add(part)
    return tuple(sorted(found, key=lambda part: part.kind_name()))


class OneOf:
    """Annotation that lets a field of a family's type take any of its parts.

    `block: basic` is short for `block: {kind: basic}`; a list is short for
    `kind: list` in the one family that has it.
    """

    def __get_pydantic_core_schema__(self, family: type[Part], handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = members(family)
        kinds = [part.kind_name() for part in choices]
        union = handler.generate_schema(Annotated[Union[choices], Field(discriminator="kind")])  # noqa: UP007
        shorts: list[CoreSchema | tuple[CoreSchema, str]] = [core_schema.literal_schema(kinds), union]
        if "list" in kinds:
            shorts.append(core_schema.list_schema(core_schema.int_schema()))
        shown = core_schema.union_schema(shorts)
        spelled_out = _list_spelled_out if "list" in kinds else _spelled_out
        return core_schema.no_info_before_validator_function(spelled_out, union, json_schema_input_schema=shown)


def _spelled_out(data: Any) -> Any:
    return {"kind": data} if isinstance(data, str) else data


def _list_spelled_out(data: Any) -> Any:
    return {"kind": "list", "values": data} if isinstance(data, list) else _spelled_out(data)

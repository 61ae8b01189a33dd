"""The families of parts, and what every part is built with.

A part is one choice of a specification: a stem, a block, a shortcut, ... It is a frozen pydantic model (its settings)
with a method that builds it out of operations. Each lives in a file of its own below this package and belongs to the
family it derives from; nothing else has to learn of a new part.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias, TypedDict, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from resnet_gen.graph import Loc, Net, Value
from resnet_gen.ops import Add, Conv, Function
from resnet_gen.ops.limits import CHANNELS

if TYPE_CHECKING:
    from typing_extensions import Unpack

Channels = Annotated[int, Field(ge=CHANNELS.least, le=CHANNELS.most)]
"""A number of channels."""
KernelSize = Annotated[int, Field(ge=1, le=31)]
"""The side of a square window."""
Eps = Annotated[float, Field(ge=2.0**-126, lt=1)]
"""What is added to a variance: below the least normal number of float32, no type here holds it."""


def _check_odd(side: int) -> int:
    if side % 2 == 0:
        raise PydanticCustomError("odd", "{side} is even: only an odd window can keep the map's size", {"side": side})
    return side


OddKernel = Annotated[KernelSize, AfterValidator(_check_odd), Field(json_schema_extra={"not": {"multipleOf": 2}})]
"""The side of a convolution's window: odd, so that padding keeps the map's size."""


class StrictModel(BaseModel):
    """What somebody wrote: nothing is converted, no key is unknown. Its schema is built when it is first needed."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Part(StrictModel):
    """One choice of a specification: its settings, and how it is built."""

    kind: Any
    folder: ClassVar[str]
    """Where below this package the parts of a family live."""

    @classmethod
    def kind_name(cls) -> str:
        """The word that a specification uses for this part."""
        return str(get_args(cls.model_fields["kind"].annotation)[0])

    def unread(self) -> dict[str, str]:
        """Settings that nothing reads as the others are, each with why."""
        return {}


class Norm(Part):
    """Normalization after (or before) each convolution."""

    folder: ClassVar[str] = "norms"
    replaces_bias: ClassVar[bool] = True

    @abstractmethod
    def build(self, net: Net, name: str, x: Value) -> Value:
        """Add the normalization of `x` under `name`."""


class ActivationPart(Part):
    """The nonlinearity of the network."""

    folder: ClassVar[str] = "activations"
    function: ClassVar[Function]

    @abstractmethod
    def build(self, net: Net, name: str, x: Value) -> Value:
        """Add the activation of `x` under `name`."""


class AntiAlias(Part):
    """What smooths a map before it is made smaller."""

    folder: ClassVar[str] = "antialiases"

    @abstractmethod
    def stride(self, stride: int) -> int:
        """Stride that is left to the convolution, where the map is to shrink by `stride`."""

    @abstractmethod
    def after(self, net: Net, x: Value, stride: int) -> Value:
        """What follows that convolution's activation."""

    @abstractmethod
    def max_pool(self, net: Net, x: Value) -> Value:
        """The stem's max pooling, which halves the map."""


class Attention(Part):
    """What weighs a branch's channels or positions before it joins the shortcut."""

    folder: ClassVar[str] = "attentions"

    @abstractmethod
    def build(self, net: Net, x: Value, *, block_input: Value, using: Using) -> Value:
        """`x`, weighed; `block_input` is what the block was given."""


class Shortcut(Part):
    """The path around a block's branch, and how the two are joined."""

    folder: ClassVar[str] = "shortcuts"

    def changes(self, x: Value, branch: Value, stride: int) -> bool:
        """Whether the shortcut transforms `x` rather than handing it on."""
        return stride != 1 or x.shape != branch.shape

    @abstractmethod
    def bridge(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        """`x` (or what stands for it) in the shape of `branch`."""

    def join(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        """The branch and the shortcut of `x`, joined; by default their sum."""
        around = self._build_bridge(net, x, branch, place=place, using=using)
        return net.scope(at=using.shortcut_at).add("add", Add(), branch, around)

    def _build_bridge(self, net: Net, x: Value, branch: Value, *, place: Place, using: Using) -> Value:
        """The bridge, among the layers of the shortcut."""
        inside = net.scope("shortcut", at=using.shortcut_at, role="shortcut")
        return self.bridge(inside, x, branch, place=place, using=using)


class Sliding(TypedDict, total=False):
    """How a convolution's window slides, where not by one, over all channels and densely."""

    stride: int
    groups: int
    dilation: int
    padding: int


class Using(NamedTuple):
    """What blocks are built with: the parts that the spec chose for the whole network.

    `bare_shortcut` is set by pre-activation blocks, whose projections carry no
    norm of their own (He et al. 2016, Sec. 4). `standardize` is the number that
    weight standardization adds to a filter's variance, None without it. What is
    wrong with the shortcut or the attention is reported at `shortcut_at` or
    `attention_at`; at the block where that is None.
    """

    norm: Norm
    activation: ActivationPart
    shortcut: Shortcut
    attention: Attention
    antialias: AntiAlias
    bare_shortcut: bool = False
    standardize: float | None = None
    shortcut_at: Loc | None = None
    attention_at: Loc | None = None

    def conv(
        self,
        net: Net,
        name: str,
        x: Value,
        width: int,
        *,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        padding: int | None = None,
        bias: bool | None = None,
    ) -> Value:
        """A convolution that keeps the map's size at stride 1, without `padding`; biased where no norm follows.

        No padding of both sides does that for an even window, of which the padding is to be said.
        """
        bias = not self.norm.replaces_bias if bias is None else bias
        if padding is None and kernel % 2 == 0:
            hint = f"padding=0 is for windows side by side, {kernel // 2} makes the map larger by one"
            raise net.scope(name).refusal(f"an even window of {kernel} keeps no map's size", hint)
        padding = dilation * (kernel // 2) if padding is None else padding
        op = Conv(width, kernel, stride, padding, groups, bias=bias, dilation=dilation, standardize=self.standardize)
        return net.add(name, op, x)

    def normed(self, net: Net, name: str, x: Value) -> Value:
        """The norm of `x` under `name`; its refusals point at the spec's `norm`."""
        return self.norm.build(net.scope(at=("norm",)), name, x)

    def conv_norm(
        self, net: Net, number: str, x: Value, width: int, *, kernel: int, **window: Unpack[Sliding]
    ) -> Value:
        """`conv<number>` and `norm<number>`; `window` may give stride, groups, dilation and padding."""
        y = self.conv(net, f"conv{number}", x, width, kernel=kernel, **window)
        return self.normed(net, f"norm{number}", y)

    def conv_norm_act(
        self, net: Net, number: str, x: Value, width: int, *, kernel: int, **window: Unpack[Sliding]
    ) -> Value:
        """`conv<number>`, `norm<number>` and `act<number>`; `window` as in `conv_norm`."""
        y = self.conv_norm(net, number, x, width, kernel=kernel, **window)
        return self.activation.build(net, f"act{number}", y)

    def norm_act(self, net: Net, number: str, x: Value) -> Value:
        """`norm<number>` and `act<number>`, as pre-activation blocks begin."""
        y = self.normed(net, f"norm{number}", x)
        return self.activation.build(net, f"act{number}", y)

    def attend(self, net: Net, x: Value, block_input: Value) -> Value:
        """`x` weighed by the spec's attention."""
        inside = net.scope("attention", at=self.attention_at, role="attention")
        return self.attention.build(inside, x, block_input=block_input, using=self)


class Stem(Part):
    """What stands before the first stage."""

    folder: ClassVar[str] = "stems"

    @property
    @abstractmethod
    def shrinks(self) -> int:
        """By how much the stem shrinks the map."""

    @abstractmethod
    def build(self, net: Net, x: Value, using: Using, *, bare: bool) -> Value:
        """Add the stem; `bare` leaves norm and activation to pre-activation blocks."""


@dataclass(frozen=True)
class Place:
    """Where a block stands: its filters and stride, its index in the stage, and its number in the network.

    `dilation` is the stage's, `entering_dilation` that of the block before; `withheld` is by how much the map would
    be smaller, had it shrunk wherever the widths suppose it.
    """

    width: int
    stride: int
    index: int
    number: int = 0
    dilation: int = 1
    entering_dilation: int = 1
    withheld: int = 1


Trait: TypeAlias = Literal["attention", "antialias", "dilation"]
"""A choice for the whole network that not every block has a place for."""


class Block(Part):
    """The unit that a stage repeats."""

    folder: ClassVar[str] = "blocks"
    preactivated: ClassVar[bool] = False
    has_shortcut: ClassVar[bool] = True
    """Whether what the spec says of shortcuts means anything for it."""
    takes: ClassVar[frozenset[Trait]] = frozenset()

    @abstractmethod
    def build(self, net: Net, x: Value, place: Place, using: Using) -> Value:
        """Add one block to the net."""

    def fitted(self, width: int) -> int:
        """The filters of a stage that the width rule gives `width`; a block may need them rounded."""
        return width

    def check(self, depths: Sequence[int]) -> str | None:
        """What is wrong with the settings for stages of these depths; None if nothing is."""
        return None

    def finish(self, net: Net, x: Value, using: Using) -> Value:
        """What follows the last block of the network."""
        return using.norm_act(net, "", x) if self.preactivated else x


class Downsample(Part):
    """How a stage makes the map smaller."""

    folder: ClassVar[str] = "downsamples"
    dilates: ClassVar[bool] = False
    """Whether a stage can keep the map's size and dilate its windows instead."""

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

    folder: ClassVar[str] = "widths"
    by_stage: ClassVar[bool] = False
    """Whether the filters are those for the default strides, whatever strides a specification gives."""

    def depths(self) -> tuple[int, ...] | None:
        """Blocks of each stage, where the rule decides them too."""
        return None

    @abstractmethod
    def widths(self, entering: Sequence[int]) -> tuple[int, ...]:
        """Filters of each stage; `entering` is how much the map shrinks before each, by default with `by_stage`."""

    def by_block(self, depths: Sequence[int], widths: Sequence[int]) -> list[tuple[int, ...]]:
        """Filters of each block of each stage; by default those of its stage."""
        return [(width,) * depth for depth, width in zip(depths, widths, strict=True)]


class Head(Part):
    """What turns the last feature map into scores."""

    folder: ClassVar[str] = "heads"

    @abstractmethod
    def build(self, net: Net, x: Value, using: Using) -> dict[str, Value]:
        """Add the head; returns what the network outputs, by name."""


class Naming(Part):
    """How layers, and with them parameters, are called."""

    folder: ClassVar[str] = "naming"
    library: ClassVar[str] = ""
    """The library whose names these are; empty for no library's."""
    blocks: ClassVar[frozenset[str]] = frozenset()
    """Kinds of blocks whose networks the library calls so; none where another of its schemes is the usual one."""

    @abstractmethod
    def names(self, paths: Sequence[str]) -> list[str]:
        """The published name of each path, in order."""

    def registered(self, weights: Sequence[str]) -> list[str]:
        """Names of weights, given in the order in which they are used, in that of the library's state dict."""
        return list(weights)


FAMILIES: tuple[type[Part], ...] = (
    Stem,
    Block,
    Shortcut,
    Attention,
    Downsample,
    WidthRule,
    Norm,
    ActivationPart,
    AntiAlias,
    Head,
    Naming,
)

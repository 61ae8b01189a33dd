"""What becomes of each tensor of a file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from resnet_gen.infer.conversion.heads import HINT, HeadChange
from resnet_gen.infer.conversion.layouts import TensorValues, plan_move, widen_input
from resnet_gen.infer.conversion.schemes import (
    NamingScheme,
    SchemeNetwork,
    library_tensor_ranks,
    scheme_shape,
    strip_head,
)
from resnet_gen.infer.conversion.slots import TensorSlot
from resnet_gen.infer.conversion.source import SchemeSource
from resnet_gen.ops import BatchNorm, Conv, Shape
from resnet_gen.ops.base import format_shape
from resnet_gen.problems import refuse
from resnet_gen.weights.checkpoint import FileTensor
from resnet_gen.weights.formats.arrays import COUNTED, COUNTER
from resnet_gen.weights.formats.writing import TensorData, tensor_data
from resnet_gen.weights.initialization import SeededWeights
from resnet_gen.weights.seeds import DEFAULT_SEED


class ConversionOptions(NamedTuple):
    """What may be done beside new names.

    `head` says what becomes of the head, which has to be said of one that is missing or for other classes, and `seed`
    draws a new one. `channels` lets the first convolution be made for other input channels. `counters` gives batch
    norms that have no counter of training steps one of zero.
    """

    head: HeadChange | None = None
    seed: int = DEFAULT_SEED
    channels: bool = False
    counters: bool = False


class TensorRow(NamedTuple):
    """One tensor: its name in the file and in the result, None where it is in one only; its shape, and what was done.

    Shape and element type are those of the result, or of the file for what is dropped, whose `tensor` is None. Of what
    was done, the first words say the kind: copied, transposed, reshaped, summed, repeated, initialized, zero, dropped.
    """

    old: str | None
    new: str | None
    shape: Shape
    dtype: str
    done: tuple[str, ...]
    tensor: TensorData | None = None


class ConversionPlan:
    """What becomes of each tensor; `faults` are those that do not fit, and `hint` an option that may help."""

    def __init__(
        self,
        network: SchemeNetwork,
        tensors: Mapping[str, FileTensor],
        source: SchemeSource,
        target: NamingScheme,
        change: ConversionOptions,
    ) -> None:
        if change.head and not network.head and not (change.head == "drop" and source.foreign):
            raise refuse(f"--head {change.head} means nothing: '{network.graph.name}' has no head")
        self._network, self._source, self._target, self._change = network, source.scheme, target, change
        self._prefix = source.prefix
        self._classes_axis, self._channels_axis = (-1, 2) if source.scheme.flax else (0, 1)
        self._tensors = {name.removeprefix(source.prefix): tensor for name, tensor in tensors.items()}
        self._kin = library_tensor_ranks(target)
        self._first = _find_first_convolution(network)
        self._head = {slot.key for slot in self._find_head(source)}
        self.faults: list[str] = []
        self.hint: str | None = None
        made = [row for slot in network.slots for row in self._convert_tensor(slot)]
        made += [row for slot in network.slots for row in self._convert_counter(slot)]
        written = {row.new: row for row in made if row.new}
        self.rows = [written[name] for name in _order_names(list(written), target)]
        made += self._drop_leftovers(source)
        self.rows += [row for row in made if not row.new]
        known = {row.old for row in made}
        counters = [name for name in tensors if name.endswith(COUNTER)]
        self.faults += [
            f"'{name}' belongs to no layer of '{network.graph.name}'" for name in counters if name not in known
        ]

    def _find_head(self, source: SchemeSource) -> list[TensorSlot]:
        """What is the head: the last layer or, where it is to be renewed and the file has another one, all of it."""
        last = self._network.head
        if not self._change.head or not last:
            return last
        kept = {slot.key for slot in strip_head(self._network).slots}
        whole = [slot for slot in self._network.slots if slot.key not in kept]
        return whole if source.foreign or not all(map(self._slot_fits, whole[: -len(last)])) else last

    def _slot_fits(self, slot: TensorSlot) -> bool:
        tensor = self._tensors.get(self._source.names[slot.key])
        return tensor is not None and tensor.shape in self._shapes(slot)

    def _drop_leftovers(self, source: SchemeSource) -> Iterator[TensorRow]:
        """The tensors of a file that are no layer's, and their norms' counters."""
        counters = {name.rpartition(".")[0] + f".{COUNTER}" for name in source.foreign if name.endswith(".running_var")}
        for name in self._tensors:
            if name in source.foreign or name in counters:
                yield self._drop_tensor(name)

    def _drop_tensor(self, name: str) -> TensorRow:
        tensor = self._tensors[name]
        return TensorRow(self._prefix + name, None, tensor.shape, tensor.dtype.name, ("dropped",))

    def _convert_tensor(self, slot: TensorSlot) -> Iterator[TensorRow]:
        old = self._source.names[slot.key]
        tensor = self._tensors.get(old)
        if slot.key in self._head and (self._change.head or self._is_other_head(slot)):
            yield from self._replace_head(slot, tensor)
        elif tensor is None:
            self._add_fault(slot, tensor)
        elif tensor.shape in self._shapes(slot):
            yield self._write_row(slot, old, tensor.shape, tensor.dtype, tensor.exact)
        elif slot is self._first and self._change.channels and self._differs(slot, tensor, self._channels_axis):
            yield from self._widen_first(slot, tensor)
        else:
            self._add_fault(slot, tensor)
            if slot is self._first and self._differs(slot, tensor, self._channels_axis):
                asked, given = slot.shape[1], tensor.shape[self._channels_axis]
                self.hint = f"--in-channels {asked} changes it, --in-channels {given} keeps it"

    def _is_other_head(self, slot: TensorSlot) -> bool:
        """Whether a head's tensor is missing, or for other classes."""
        tensor = self._tensors.get(self._source.names[slot.key])
        return tensor is None or self._differs(slot, tensor, self._classes_axis)

    def _shapes(self, slot: TensorSlot) -> tuple[Shape, ...]:
        """The shapes that a file may have a tensor in."""
        return (self._source.shape(slot),) if self._source.flax else slot.shapes

    def _differs(self, slot: TensorSlot, tensor: FileTensor, axis: int) -> bool:
        """Whether a tensor has the right shape but for one side."""
        found = tensor.shape
        shapes = [shape for shape in self._shapes(slot) if len(shape) == len(found)]
        return found not in shapes and any(_without_side(found, axis) == _without_side(shape, axis) for shape in shapes)

    def _add_fault(self, slot: TensorSlot, tensor: FileTensor | None) -> None:
        wanted = format_shape(self._source.shape(slot))
        how = f"is {format_shape(tensor.shape)}, not {wanted}" if tensor else f"is missing: {wanted} is needed"
        self.faults.append(f"'{self._source.names[slot.key]}' {how}")

    def _write_row(
        self,
        slot: TensorSlot,
        old: str | None,
        given: Shape,
        dtype: np.dtype[Any],
        load: Callable[[], TensorValues],
        what: str = "",
    ) -> TensorRow:
        """A tensor of the result, from what `load` gives: in the file's layout, in PyTorch's if the file has none."""
        shape = scheme_shape(self._target, slot, self._kin)
        way = plan_move(slot, given, shape, from_flax=self._source.flax and old is not None, to_flax=self._target.flax)
        done = (*filter(None, [what]), *(way.done if old else ())) or ("copied",)
        made = tensor_data(shape, dtype, lambda: way.apply(load()))
        return TensorRow(old and self._prefix + old, self._target.names[slot.key], shape, dtype.name, done, made)

    def _replace_head(self, slot: TensorSlot, tensor: FileTensor | None) -> Iterator[TensorRow]:
        """A head's tensor that is not to be kept, or cannot be: dropped, drawn anew, or a fault."""
        if self._change.head is None:
            self._add_fault(slot, tensor)
            self.hint = HINT
            if tensor:
                self.hint += f", --classes {tensor.shape[self._classes_axis]} keeps it"
            return
        if tensor:
            yield self._drop_tensor(self._source.names[slot.key])
        if self._change.head == "init":
            dtype = tensor.dtype if tensor else self._dtype()
            drawn = SeededWeights(self._network.graph, self._change.seed)
            called = slot.node.weight_name(slot.role)
            yield self._write_row(
                slot,
                None,
                slot.shape,
                dtype,
                lambda: drawn.rows(called, 0, slot.shape[0]).astype(dtype),
                f"initialized with seed {self._change.seed}",
            )

    def _dtype(self) -> np.dtype[Any]:
        """The element type of the last filters that the file has, which is what a new head has too."""
        filters = (self._source.names[slot.key] for slot in self._network.slots if len(slot.shape) > 1)
        return [self._tensors[name].dtype for name in filters if name in self._tensors][-1]

    def _widen_first(self, slot: TensorSlot, tensor: FileTensor) -> Iterator[TensorRow]:
        """The first convolution for other input channels."""
        given, asked = tensor.shape[self._channels_axis], slot.shape[1]
        if given not in (1, 3):
            self._add_fault(slot, tensor)
            self.hint = "--in-channels changes filters of 1 and of 3 channels alone"
            return

        name = self._prefix + self._source.names[slot.key]

        def values() -> TensorValues:
            found = tensor.exact()
            if not np.isfinite(found).all():
                raise refuse(f"'{name}' has values that are not finite, with which --in-channels cannot compute")
            made = widen_input(found.transpose(3, 2, 0, 1) if self._source.flax else found, asked)
            if not np.isfinite(made).all():
                raise refuse(f"'{name}' for other channels has values beyond what {tensor.dtype.name} holds")
            return made.transpose(2, 3, 1, 0) if self._source.flax else made

        if isinstance(slot.node.op, Conv) and slot.node.op.standardize is not None:
            text = "is standardized when it is used: with other channels, gray images give other outputs"
            warnings.warn(f"'{self._source.names[slot.key]}' {text}", stacklevel=2)
        what = "summed over channels" if asked == 1 else f"repeated over channels times {given}/{asked}"
        shape = self._source.shape(slot)
        yield self._write_row(slot, self._source.names[slot.key], shape, tensor.dtype, values, what)

    def _convert_counter(self, slot: TensorSlot) -> Iterator[TensorRow]:
        """A norm's counter of training steps: kept, made as zero where PyTorch looks for it, dropped for Flax."""
        if not isinstance(slot.node.op, BatchNorm) or slot.role != "running_var":
            return
        old, new = (f"{scheme.names[slot.key].rpartition('.')[0]}.{COUNTER}" for scheme in (self._source, self._target))
        tensor = self._tensors.get(old)
        if slot.key in self._head and self._change.head:
            if tensor:
                yield self._drop_tensor(old)
            if self._change.head == "drop":
                return
            tensor = None
        if tensor is None:
            if self._change.counters and not self._target.flax:
                yield TensorRow(
                    None, new, (), COUNTED.name, ("zero",), tensor_data((), COUNTED, lambda: np.zeros((), COUNTED))
                )
            return
        if tensor.shape or tensor.dtype != COUNTED:
            self.faults.append(f"'{old}' is {format_shape(tensor.shape)} of {tensor.dtype}, not a scalar of {COUNTED}")
        made = tensor_data(tensor.shape, tensor.dtype, tensor.exact)
        row = TensorRow(self._prefix + old, new, tensor.shape, tensor.dtype.name, ("copied",), made)
        yield row._replace(new=None, done=("dropped",), tensor=None) if self._target.flax else row


def _without_side(shape: Shape, axis: int) -> Shape:
    """A shape without one of its sides."""
    axis %= len(shape)
    return shape[:axis] + shape[axis + 1 :]


def _find_first_convolution(network: SchemeNetwork) -> TensorSlot | None:
    """The weight of the one convolution that sees the image; None where there are several, or it is in groups."""
    image = network.graph.input
    weights = [slot for slot in network.slots if image in slot.node.inputs and slot.role == "weight"]
    op = weights[0].node.op if len(weights) == 1 else None
    return weights[0] if isinstance(op, Conv) and op.groups == 1 else None


def _order_names(names: list[str], target: NamingScheme) -> list[str]:
    """Names in the order of the library's state dict, a norm's counter behind its own."""
    if target.flax:
        return names
    behind = {name.removesuffix(COUNTER) + "running_var": name for name in names if name.endswith(COUNTER)}
    counters = set(behind.values())
    ordered = target.naming.registered([name for name in names if name not in counters])
    return [n for name in ordered for n in (name, behind.get(name)) if n]

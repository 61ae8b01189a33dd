"""Tensors that record what is done with them, under the rules of PyTorch's version counters."""

import numpy as np

from resnet_gen import ops
from resnet_gen.graph import Net, Value


class InPlaceError(RuntimeError):
    """What autograd or a later reader needs was overwritten."""


class Trace:
    """The graph being recorded, and what backward passes will need unchanged."""

    def __init__(self, shape):
        self.net = Net(Value("input", shape))
        self._kept = []
        self._number = 0

    def record(self, op, *tensors, name=None):
        """A value made by one operation."""
        self._number += 1
        return self.net.add(name or f"#{self._number}", op, *(tensor.value for tensor in tensors))

    def keep(self, tensor, why):
        """A backward pass needs the tensor as it is now."""
        self._kept.append((tensor._storage, tensor._storage.version, why))

    def settle(self):
        """Raise if anything that is needed was overwritten since."""
        for storage, version, why in self._kept:
            if storage.version != version:
                raise InPlaceError(f"the gradient of {why} needs a tensor that was overwritten")


class _Storage:
    """The memory of a tensor, which views share."""

    def __init__(self, value, *, fixed=False):
        self.value, self.version, self.fixed = value, 0, fixed


class Tensor:
    """An activation of any batch size; its value is what it holds now."""

    __slots__ = ("_seen", "_storage", "_trace", "_view")

    def __init__(self, trace, value, *, fixed=False, of=None):
        self._trace = trace
        self._storage = of._storage if of is not None else _Storage(value, fixed=fixed)
        self._view = value if of is not None else None
        self._seen = self._storage.version

    @property
    def value(self):
        """What the tensor holds; a view of memory that was overwritten since holds nobody knows what."""
        if self._view is None:
            return self._storage.value
        if self._seen != self._storage.version:
            raise InPlaceError("a view is read whose base was overwritten")
        return self._view

    @property
    def _shape(self):
        return self.value.shape

    def overwrite(self, op, *others):
        """Do an operation in place."""
        if self._storage.fixed:
            raise InPlaceError("the network's input is overwritten")
        if self._view is not None:
            raise InPlaceError("a view is overwritten, and with it its base")
        self._storage.value = self._trace.record(op, self, *others)
        self._storage.version += 1
        return self

    def __add__(self, other):
        return made(ops.Add(), self, _tensor(other))

    def __iadd__(self, other):
        return self.overwrite(ops.Add(), _tensor(other))

    def __mul__(self, other):
        signal, gate = self, _tensor(other)
        if len(signal._shape) == len(gate._shape) and np.prod(signal._shape) < np.prod(gate._shape):
            signal, gate = gate, signal
        return made(ops.Mul(), signal, gate, needs=[signal, gate])

    def __rsub__(self, other):
        assert other == 1, "only 1 - x is known"
        return made(ops.OneMinus(), self)

    def __getitem__(self, key):
        whole = slice(None)
        assert key[0] == whole, "the batch is cut"
        match key[1:]:
            case (slice(start=start, stop=stop, step=None),):
                return made(ops.TakeChannels(*slice(start, stop).indices(self._shape[0])[:2]), self, view=True)
            case (
                slice() as channels,
                slice(start=None, stop=None, step=rows),
                slice(start=None, stop=None, step=columns),
            ):
                assert rows == columns
                return made(ops.Subsample(rows), self, view=True)
            case (slice() as channels, None, None):
                assert channels == whole
                return made(ops.AsMap(), self, view=True)
        raise IndexError(f"the index {key} is not known")

    def chunk(self, chunks, dim=0):
        """Equal parts of the channels, the last smaller where they do not divide."""
        assert dim == 1, "only channels are cut"
        channels = self._shape[0]
        size = -(-channels // chunks)
        ends = [(start, min(start + size, channels)) for start in range(0, channels, size)]
        return tuple(made(ops.TakeChannels(*end), self, view=True) for end in ends)

    def mean(self, dim=None, keepdim=False):
        return made(self._over(dim, keepdim, {(1,): ops.ChannelMean, (2, 3): ops.GlobalAvgPool}), self)

    def sum(self, dim=None, keepdim=False):
        return made(self._over(dim, keepdim, {(2, 3): ops.SumPositions}), self)

    def amax(self, dim=(), keepdim=False):
        op = self._over(dim, keepdim, {(1,): ops.ChannelMax, (2, 3): ops.GlobalMaxPool})
        return made(op, self, needs=[self], needs_result=True)

    def _over(self, dim, keepdim, known):
        assert keepdim is True, "a dimension is lost"
        assert len(self._shape) == 3, "a vector has no positions"
        return known[(dim,) if isinstance(dim, int) else tuple(dim)]()


def _tensor(other):
    if not isinstance(other, Tensor):
        raise TypeError(f"{type(other).__name__} is not a tensor")
    return other


def made(op, *inputs, name=None, view=False, needs=(), needs_result=False):
    """What an operation makes; `needs` are inputs that its gradient needs, `needs_result` tells it of the result."""
    trace = _tensor(inputs[0])._trace
    value = trace.record(op, *inputs, name=name)
    result = Tensor(trace, value, of=inputs[0] if view else None)
    for kept in [*needs, *([result] if needs_result else [])]:
        trace.keep(kept, type(op).__name__)
    return result


class Parameter:
    """A weight: its shape, and the number that all of it begins as, None where it is drawn."""

    def __init__(self, *shape, fill=None):
        self.shape, self.fill = shape, fill


class Constant:
    """A tensor of known numbers, as buffers are."""

    def __init__(self, values):
        self._values = np.asarray(values, dtype=np.float32)

    @property
    def shape(self):
        return self._values.shape

    def expand(self, *sizes):
        return Constant(np.broadcast_to(self._values, sizes))

    def clone(self):
        return Constant(self._values.copy())

    def __len__(self):
        return len(self._values)

    def __array__(self, dtype=None, copy=None):
        return self._values

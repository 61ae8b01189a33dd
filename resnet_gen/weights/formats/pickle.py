"""PyTorch's pickles, read without calling anything that they name.

A pickle is a program that names functions to call. This reader knows the few
names that a state dict is made of and gives each a harmless meaning of its own;
any other name is refused, by name, before anything happens.
"""

from __future__ import annotations

import pickle
import struct
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import NoneType
from typing import IO, Any, NamedTuple, cast

from resnet_gen.ops import Shape
from resnet_gen.problems import refuse, shorten, visible
from resnet_gen.system.allowance import Allowance
from resnet_gen.weights.formats import arrays

STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
"""What PyTorch calls the storages of each element type."""


class Budget:
    """What the pickles of a file may take, by how large the file is: a few bytes can ask for any amount of it.

    A tensor takes forty instructions of two hundred bytes, and each instruction at most as many of memory.
    """

    def __init__(self, size: int) -> None:
        longer, more = "longer than a state dict of its size", "more instructions than a state dict of its size has"
        self.bytes = Allowance((2 << 20) + size // 4, partial(pickle.UnpicklingError, longer))
        self.instructions = Allowance(300_000 + size // 64, partial(pickle.UnpicklingError, more))


class _MeteredStream:
    """A stream of which no more is read than the budget has, whatever length a pickle states."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream, self._budget = stream, budget

    def read(self, size: int) -> bytes:
        self._budget.bytes.take(size)
        return self._stream.read(size)

    def readline(self) -> bytes:
        line = self._stream.readline(self._budget.bytes.left + 1)
        self._budget.bytes.take(len(line))
        return line


class _MeteredTable(dict[int, Callable[[Any], None]]):
    """What each instruction does; looking one up takes it from the budget."""

    def __init__(self, table: Mapping[int, Callable[[Any], None]], budget: Budget) -> None:
        super().__init__(table)
        self._spend = budget.instructions.take

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self._spend()
        return super().__getitem__(code)


@dataclass(frozen=True, slots=True)
class StorageType:
    """Stands for `torch.FloatStorage` and its like."""

    dtype: str


@dataclass(frozen=True, slots=True)
class Storage:
    """Stands for a storage: its key in the file, element type and number of elements."""

    key: str
    dtype: str
    size: int


@dataclass(frozen=True, slots=True)
class StridedTensor:
    """Stands for a tensor: a view of a storage, whose numbers are its own unless it is marked.

    Sides and strides are as the pickle has them until `place_tensor` has seen them. `marks` are PyTorch's of lazy
    views: `neg` where the storage holds the negated numbers, `conj` the conjugate ones.
    """

    storage: Storage
    offset: int
    shape: Shape
    strides: Shape
    marks: tuple[str, ...] = ()


_MOST_MARKS = 8
"""Marks of a lazy view, of which PyTorch knows two."""
_PAIR = 4
"""Instructions that a pair of a state dict counts as."""


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any = None, _hooks: Any = None, marks: Any = None
) -> StridedTensor:
    """The arguments of PyTorch's function of that name, without those that no number depends on."""
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    if not isinstance(marks, (dict, NoneType)) or len(marks or ()) > _MOST_MARKS:
        raise pickle.UnpicklingError("a tensor's marks that are no dict")
    if not (isinstance(offset, int) and isinstance(shape, tuple) and isinstance(strides, tuple)):
        raise pickle.UnpicklingError("a tensor whose place is not given in numbers")
    set_marks = tuple(str(mark) for mark, is_set in (marks or {}).items() if is_set)
    return StridedTensor(storage, offset, shape, strides, set_marks)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _check_keys(keys: Iterable[Any]) -> None:
    """Only plain keys: hashing a tuple that is nested a million deep overflows the C stack.

    Whole numbers are those of an optimizer's state: longer ones can be chosen so that all have one hash.
    """
    for key in keys:
        if not isinstance(key, (str, bytes, int, float, NoneType)):
            raise pickle.UnpicklingError("a key that is not a name or number")
        if isinstance(key, int) and key.bit_length() > _LONGEST_KEY:
            raise pickle.UnpicklingError("a key that is a huge number")


_LONGEST_KEY = 60
_ORDERED = ("collections", "OrderedDict")

_KNOWN: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", name): StorageType(dtype) for name, dtype in STORAGES.items()},
}


_STATE_ALONE = "save the state dict alone: torch.save(model.state_dict(), ...), or as safetensors"
_DENSE_ALONE = "only plain tensors are read: of others .to_dense(), .dequantize() or .float() makes them"


class _Reader(pickle._Unpickler):
    """Python's own unpickler, since C's takes gigabytes for a memo that a few bytes ask for.

    Three instructions reach past `find_class` and mean less here: attributes
    are never set, keys are plain, and no buffer is made of a stated length.
    Each is taken from the budget, and so is what a list that is kept once is used for again.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, stream: IO[bytes], where: str, budget: Budget) -> None:
        super().__init__(cast("IO[bytes]", _MeteredStream(stream, budget)), encoding="utf-8")
        self.storages: dict[str, Storage] = {}
        self._where, self._budget = where, budget
        self.dispatch = _MeteredTable(_TABLE, budget)  # type: ignore[misc]  # of this reader alone

    def find_class(self, module: str, name: str) -> Any:
        known = self._make_ordered_dict if (module, name) == _ORDERED else _KNOWN.get((module, name))
        if known is None:
            rebuilt = module == "torch._utils" and name.startswith("_rebuild_")
            hint = _DENSE_ALONE if rebuilt else _STATE_ALONE
            raise refuse(f"would execute '{shorten(f'{module}.{name}', 200)}'; not read", self._where, hint)
        return known

    def _make_ordered_dict(self, items: Any = ()) -> OrderedDict[Any, Any]:
        if not isinstance(items, (list, tuple)):
            raise pickle.UnpicklingError("a state dict that is made of no list")
        self._budget.instructions.take(_PAIR * len(items))
        if not all(isinstance(item, (list, tuple)) and len(item) == 2 for item in items):
            raise pickle.UnpicklingError("a state dict that is made of no pairs")
        _check_keys(key for key, _ in items)
        return OrderedDict(items)

    def persistent_load(self, pid: Any) -> Storage:
        match pid:
            case ("storage", StorageType(dtype=dtype), str(key), _, int(size), *rest) if rest in ([], [None]):
                return self.storages.setdefault(key, Storage(key, dtype, size))
        raise pickle.UnpicklingError("an unknown persistent id")

    def _build(self) -> None:
        self.stack.pop()
        if not isinstance(self.stack[-1], OrderedDict):
            raise pickle.UnpicklingError("attributes of what is no state dict")

    def _dict(self) -> None:
        items = self.pop_mark()
        _check_keys(items[::2])
        self.append(dict(zip(items[::2], items[1::2], strict=True)))

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def _set_items(self) -> None:
        self._update(self.pop_mark())

    def _update(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise pickle.UnpicklingError("items of what is no state dict")
        _check_keys(items[::2])
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _refuse_unknown(self) -> None:
        raise pickle.UnpicklingError("an instruction that no state dict needs")


_TABLE: Mapping[int, Callable[[Any], None]] = {
    **pickle._Unpickler.dispatch,
    pickle.BUILD[0]: _Reader._build,
    pickle.DICT[0]: _Reader._dict,
    pickle.SETITEM[0]: _Reader._set_item,
    pickle.SETITEMS[0]: _Reader._set_items,
    pickle.ADDITEMS[0]: _Reader._refuse_unknown,
    pickle.FROZENSET[0]: _Reader._refuse_unknown,
    pickle.BYTEARRAY8[0]: _Reader._refuse_unknown,
}


def load(stream: IO[bytes], where: str, budget: Budget) -> tuple[Any, dict[str, Storage]]:
    """The next pickle of the stream, and all storages in it; raises `Refused` if unsafe or damaged, or too much."""
    reader = _Reader(stream, where, budget)
    try:
        return reader.load(), reader.storages
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
            OverflowError, MemoryError, RecursionError, struct.error) as error:  # fmt: skip
        why = shorten(str(error) or type(error).__name__, 200)
        raise refuse(f"damaged PyTorch checkpoint: {why}", where) from None


WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep a state dict beside other things."""
AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict")
"""Keys under which they keep its running average."""
DEEPEST = 8
"""State dicts inside one another that are looked through; a pickle may hold one that is inside itself."""


def state_dict(data: Any, where: str, size: int, *, counters: bool = False) -> dict[str, StridedTensor]:
    """The state dict in what a checkpoint holds: itself, under a key of `WRAPPERS`, else of `AVERAGES`, else the one.

    The first key that is there counts, and so on inside it; `size` is the file's. Warns where an average is read, or
    is there and is not.
    """
    data = _unwrap_state(data, where)
    if not isinstance(data, dict) or not all(isinstance(k, str) for k in data):
        raise refuse("not a state dict: no tensors by name", where)
    arrays.check_number(len(data), size, where)
    bad = [name for name, tensor in data.items() if not isinstance(tensor, StridedTensor)]
    if bad:
        raise refuse(f"'{shorten(bad[0])}' is not a tensor", where, "save the state dict alone")
    return {name: t for name, t in data.items() if not arrays.is_left_out(name, counters)}


def _unwrap_state(data: Any, where: str) -> Any:
    for _ in range(DEEPEST):
        key = _find_wrapper(data) if isinstance(data, dict) else None
        if key is None:
            return _find_only_state(data, where) if isinstance(data, dict) else data
        _warn_of_averages(data, key, where)
        data = data[key]
    raise refuse(f"state dicts inside one another, more than {DEEPEST} deep", where, "save the state dict alone")


def _find_wrapper(data: dict[Any, Any]) -> str | None:
    return next((key for key in (*WRAPPERS, *AVERAGES) if isinstance(data.get(key), dict)), None)


def _find_only_state(data: dict[Any, Any], where: str) -> Any:
    """The one state dict in a training script's own words; the same where there is none, or a tensor beside it.

    Raises `Refused` for several, as nothing says which is meant.
    """
    found = [key for key, value in data.items() if _holds_tensors_alone(value)]
    if not found or any(isinstance(value, StridedTensor) for value in data.values()):
        return data
    names = ", ".join(f"'{shorten(visible(str(key)))}'" for key in found[:6]) + ", ..." * (len(found) > 6)
    if len(found) > 1:
        raise refuse(f"it holds several state dicts: {names}", where, "save one of them alone")
    warnings.warn(f"{where}: read are the tensors under {names}", stacklevel=2)
    return data[found[0]]


def _holds_tensors_alone(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(one, StridedTensor) for one in value.values())


def _warn_of_averages(data: dict[Any, Any], key: str, where: str) -> None:
    averages = [name for name in AVERAGES if isinstance(data.get(name), dict)]
    if key in AVERAGES:
        warnings.warn(f"{where}: read are the averaged weights under '{key}'", stacklevel=2)
    elif averages:
        warnings.warn(f"{where}: read are the weights under '{key}', not the averaged ones under '{averages[0]}'",
                      stacklevel=2)  # fmt: skip


def _check_layout(name: str, tensor: StridedTensor, available: int, where: str) -> None:
    """Refuse what is not a floating-point tensor that fills a stretch of its storage, in any order of its sides."""
    arrays.check_sides(name, len(tensor.shape), where)
    if len(tensor.shape) != len(tensor.strides):
        raise refuse(f"'{name}' has {len(tensor.shape)} sides and {len(tensor.strides)} strides", where)
    if not all(isinstance(number, int) for number in (*tensor.shape, *tensor.strides)):
        raise refuse(f"the sides of '{shorten(name)}' are not all numbers", where)
    if tensor.marks:
        mark, hint = shorten(tensor.marks[0]), "call .resolve_neg() and .resolve_conj() before saving"
        raise refuse(f"'{name}' is a view that PyTorch marks '{mark}': its numbers are others", where, hint)
    if not arrays.holds_numbers(name, tensor.storage.dtype):
        raise refuse(f"'{name}' holds {tensor.storage.dtype}, not floating-point numbers", where)
    size = 0 if 0 in tensor.shape else _count_elements(name, tensor, where)
    if tensor.offset < 0 or size < 0 or tensor.offset + size > available:
        raise refuse(f"'{name}' reaches past the end of its storage", where)


def _count_elements(name: str, tensor: StridedTensor, where: str) -> int:
    """The elements of the stretch that a tensor fills; its sides are taken by their strides, the smallest first."""
    if max(tensor.shape, default=0) >= 2**63:  # before they are multiplied
        raise refuse(f"'{name}' reaches past the end of its storage", where)
    step = 1
    for stride, side in sorted(zip(tensor.strides, tensor.shape, strict=True)):
        if side != 1 and stride != step:
            raise refuse(f"'{name}' has gaps or overlaps itself", where, "call .contiguous() before saving")
        step *= side
    return step


class StorageBytes(NamedTuple):
    """Where a storage lies in the file, and what checks that its bytes are those that were written."""

    start: int
    size: int
    check_intact: Callable[[], None] = arrays.check_nothing


def place_tensor(
    name: str, tensor: StridedTensor, storage: StorageBytes, data: arrays.Bytes, where: str
) -> arrays.MappedTensor:
    """A tensor where it lies in its storage; raises `Refused` if that does not hold it."""
    dtype = arrays.DTYPES.get(tensor.storage.dtype, arrays.COUNTED)
    _check_layout(name, tensor, min(storage.size // dtype.itemsize, tensor.storage.size), where)
    if storage.start + storage.size > len(data):
        raise refuse(f"the storage of '{name}' reaches past the end of the file", where)
    offset = storage.start + tensor.offset * dtype.itemsize
    return arrays.MappedTensor(data, offset, dtype, tensor.shape, tensor.strides, storage.check_intact)

"""What methods of parts from outside return is of the types that their families state.

A wrong result would end where it is used, in a line that is not at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import FunctionType, NoneType
from typing import Any, get_args, get_origin

from resnet_gen.parts import base
from resnet_gen.parts.base import Part
from resnet_gen.problems import refuse, shorten, visible


def check_returns(part: type[Part], shown: str) -> None:
    """Have each method of a part, whose file messages call `shown`, refuse to return what its family does not."""
    for name, member in list(vars(part).items()):
        method = member.fget if isinstance(member, property) else member
        if isinstance(method, FunctionType) and (stated := _find_return_type(part, name)):
            checked_method = _hold_to_type(method, stated, f"{shown}: {part.__name__}.{name}")
            setattr(part, name, property(checked_method) if isinstance(member, property) else checked_method)


def _find_return_type(part: type[Part], name: str) -> str:
    """The type that a family says a method to return, as it is written; nothing for other methods."""
    for parent in part.__mro__[1:]:
        member = vars(parent).get(name) if parent.__module__ == base.__name__ else None
        method = member.fget if isinstance(member, property) else member
        if isinstance(method, FunctionType):
            return str(method.__annotations__.get("return", ""))
    return ""


def _hold_to_type(method: Callable[..., Any], stated: str, what: str) -> Callable[..., Any]:
    kind = eval(stated, vars(base))  # noqa: S307 - an annotation of the package's own

    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        result = method(*arguments, **named)
        if not has_type(result, kind):
            returned = shorten(visible(repr(result)))
            raise refuse(f"parts: {what} returns {returned}", None, f"what is expected is {stated}")
        return result

    return call


def has_type(value: object, kind: Any) -> bool:
    """Whether a value is of an annotated type; lists and tuples are as good as each other."""
    origin, inner = get_origin(kind), [one for one in get_args(kind) if one is not Ellipsis]
    if origin in (list, tuple):
        return type(value) in (list, tuple) and all(has_type(one, inner[0]) for one in value)  # type: ignore[attr-defined]
    if origin is dict:
        return isinstance(value, Mapping) and all(
            has_type(k, inner[0]) and has_type(v, inner[1]) for k, v in value.items()
        )
    if inner:
        return any(has_type(value, one) for one in inner)
    if kind in (None, NoneType):
        return value is None
    return not isinstance(kind, type) or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool)))

"""Group normalization."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from resnet_gen.graph import Net, Value
from resnet_gen.ops import GroupNorm
from resnet_gen.parts.base import Channels, Eps, Norm


class Group(Norm):
    """Normalization over groups of channels, without running statistics (Wu and He 2018, Sec. 3.2).

    Either the number of groups or the channels of each is said.
    """

    kind: Literal["group"] = "group"
    groups: int | None = Field(
        32, ge=1, le=4096, description="Groups that the channels are divided into, without `group_size`."
    )
    group_size: Channels | None = Field(None, description="Channels of each group, in place of `groups`.")
    eps: Eps = Field(1e-5, description="Added to the variance.")

    @model_validator(mode="before")
    @classmethod
    def _drop_default_groups(cls, data: Any) -> Any:
        sized = isinstance(data, dict) and data.get("group_size") is not None
        return {"groups": None, **data} if sized else data

    @model_validator(mode="after")
    def _check_groups(self) -> Group:
        if self.groups is not None and self.group_size is not None:
            hint = "leave one of them out; 'groups: null' takes away one that is inherited"
            raise PydanticCustomError("both_said", "'groups' is said too", {"at": "group_size", "hint": hint})
        if self.groups is None and self.group_size is None:
            raise PydanticCustomError("none_said", "neither it nor 'group_size'", {"at": "groups", "hint": "say one"})
        return self

    def build(self, net: Net, name: str, x: Value) -> Value:
        if self.groups is not None:
            return net.within("groups").add(name, GroupNorm(self.groups, self.eps), x)
        assert self.group_size is not None, "one of both is said"
        groups, rest = divmod(x.shape[0], self.group_size)
        if rest:
            message = f"{x.shape[0]} channels do not divide into groups of {self.group_size}"
            raise net.within("group_size").refusal(message)
        return net.add(name, GroupNorm(groups, self.eps), x)

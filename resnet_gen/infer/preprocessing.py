"""What a file has around its network, in the words of a specification."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from resnet_gen.graph.surrounding_terms import Normalization, describe_surroundings, find_normalization
from resnet_gen.graph.surroundings import Surroundings
from resnet_gen.language.spec import Input


def add_preprocessing(data: dict[str, Any], around: Surroundings, stated: Input) -> dict[str, Any]:
    """The data of a spec with the mean, the deviation and the crop of the file, where `stated` has others."""
    found, pixels = find_normalization(around.input, stated.channels), around.input
    more: dict[str, Any] = {}
    if found and not found.is_close(Normalization(*stated.normalization)):
        more = {"mean": list(found.mean), "std": list(found.std)}
    if pixels and pixels.crop is not None and pixels.crop != stated.crop:
        more["crop"] = pixels.crop
    return {**data, "input": {**data.get("input", {}), **more}} if more else data


def describe_preprocessing(around: Surroundings, channels: int) -> Iterator[str]:
    """What a spec carries of the surroundings, and what it does not, each with a word before it."""
    if find_normalization(around.input, channels):
        yield "input: mean and std are those of the file's graph"
    yield from (f"not carried: around the network, the file {line}" for line in describe_surroundings(around))


def list_unknown(around: Surroundings, channels: int) -> str:
    """What nobody can know of how a picture becomes the input."""
    if find_normalization(around.input, channels) is None:
        return "how a picture becomes the input (resizing, crop, mean, std), which no graph shows"
    crop = around.input is not None and around.input.crop is not None
    return "" if crop else "how a picture is resized and cropped, which this graph does not show"

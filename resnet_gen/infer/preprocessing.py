"""What a file has around its network, in the words of a specification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnet_gen.graph import Graph
from resnet_gen.graph.matching import match
from resnet_gen.graph.repeated_relus import without_repeated_relus
from resnet_gen.graph.surrounding_terms import (
    Normalization,
    describe_output,
    describe_surroundings,
    find_normalization,
    is_normalized,
    list_differences,
)
from resnet_gen.graph.surroundings import ServedOutput, Surroundings
from resnet_gen.infer.proof import load_recovered, match_folded
from resnet_gen.infer.spec_text import spec_yaml
from resnet_gen.language.spec import Input
from resnet_gen.language.stated_network import read_stated_network
from resnet_gen.ops.serving import round_part
from resnet_gen.ops.serving_words import PIXEL_TYPES
from resnet_gen.problems import Refused


def add_preprocessing(data: dict[str, Any], around: Surroundings, stated: Input) -> dict[str, Any]:
    """The data of a spec with the mean, the deviation and the crop of the file, where `stated` has others."""
    found, pixels = find_normalization(around.input, stated.channels), around.input
    more: dict[str, Any] = {}
    if found and not found.is_close(Normalization(*stated.normalization)):
        more = {"mean": list(found.mean), "std": list(found.std)}
    if pixels and pixels.crop is not None and pixels.crop != round_part(stated.crop):
        more["crop"] = pixels.crop
    return {**data, "input": {**data.get("input", {}), **more}} if more else data


def add_serving(
    data: dict[str, Any], around: Surroundings, names: Mapping[str, str], labels: Sequence[str], inside: Graph
) -> dict[str, Any]:
    """The data of a spec with `serve`, where building it puts the same around the network; else as they are.

    `names` is what the spec calls the network's outputs, by what the file does. `labels` are what the file calls its
    classes, and are left out where they are not as many as these. `inside` is the file's network, which outputs all
    that the file makes more of.
    """
    serve = _describe_serving(around, names)
    if serve is None:
        return data
    ways = [{**serve, "labels": list(labels)}] if labels else []
    whole = ({**data, "serve": way} for way in (*ways, serve))
    return next((one for one in whole if _serves_the_same(one, around, inside)), data)


def _serves_the_same(data: dict[str, Any], around: Surroundings, inside: Graph) -> bool:
    try:
        found = read_stated_network(load_recovered(spec_yaml(data)))
    except Refused:
        return False
    alike = found is not None and not any(list_differences(found.surroundings, around))
    return bool(found and alike and _computes(found.graph, inside))


def _computes(graph: Graph, inside: Graph) -> bool:
    """Whether a graph is that of a file, with the same outputs: the very one, folded, or but for ReLUs of ReLUs."""
    once = without_repeated_relus(inside)
    ways = [(graph, inside), *([(without_repeated_relus(graph), once)] if once is not inside else [])]
    return any(how(*way).same for way in ways for how in (match, match_folded))


def _describe_serving(around: Surroundings, names: Mapping[str, str]) -> dict[str, Any] | None:
    """The settings of `serve`; None for what it has no words for."""
    pixels = around.input
    if pixels is None or pixels.dtype not in PIXEL_TYPES or not is_normalized(pixels):
        return None
    serve: dict[str, Any] = {"type": pixels.dtype, "layout": pixels.layout, "order": pixels.order}
    if pixels.dtype == "float32" and pixels.scale != 1:
        serve["scale"] = int(pixels.scale)
    if pixels.crop is not None:
        serve["size"] = "any"
    return {**serve, "outputs": [_name_word(output, names) for output in around.outputs]}


def _name_word(output: ServedOutput, names: Mapping[str, str]) -> str:
    """What `serve.outputs` calls an output."""
    if output.kind == "top_k":
        return f"top{output.k}"
    if output.kind == "embedding":
        return "normalized_embedding" if output.normalized else "embedding"
    return names.get(output.source, output.source) if output.is_plain else output.kind


def describe_preprocessing(around: Surroundings, *, served: bool) -> Iterator[str]:
    """What a spec carries of the surroundings, and what it does not, each with a word before it."""
    if is_normalized(around.input):
        yield "input: mean and std are those of the file's graph"
    word = "serve" if served else "not carried"
    yield from (f"{word}: around the network, the file {line}" for line in describe_surroundings(around))
    if not served and around.keeps_outputs:
        vectors = [output for output in around.outputs if output.kind == "embedding"]
        yield from (f"not carried: the file outputs {describe_output(output)}" for output in vectors)


def list_unknown(around: Surroundings) -> str:
    """What nobody can know of how a picture becomes the input."""
    if not is_normalized(around.input):
        return "how a picture becomes the input (resizing, crop, mean, std), which no graph shows"
    crop = around.input is not None and around.input.crop is not None
    return "" if crop else "how a picture is resized and cropped, which this graph does not show"

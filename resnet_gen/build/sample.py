"""One image and what a network outputs for it: what an engine, built elsewhere, is compared with."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resnet_gen.build.passes import PreparedNetwork
from resnet_gen.engine.file_serving import FileServing
from resnet_gen.engine.image import normalize_pixels
from resnet_gen.graph.serving import put_around
from resnet_gen.language.spec import Input
from resnet_gen.problems import refuse
from resnet_gen.quantization.calibration.activations import open_session
from resnet_gen.weights.base import Array
from resnet_gen.weights.stream import element_type


class Sample(NamedTuple):
    """The bytes of an image as the file takes it, and its outputs, without the batch; numbers of classes left out."""

    image: bytes
    outputs: dict[str, Array]


def draw_sample(network: PreparedNetwork, taken: Input) -> Sample:
    """An image of random pixels, and the outputs of what computes in float32 what is not in eight bits.

    Where the file takes pixels, the image is of them. Raises `Refused` where an output is not finite.
    """
    pixels = _draw_pixels(taken)
    around = network.around
    if around and around.input:
        graph = put_around(network.exact, around)
        serving = FileServing(around.input)
        image = serving.arrange(serving.scale(pixels))
    else:
        graph = network.exact
        image = normalize_pixels(pixels[0], taken).astype(element_type(network.graph.input.dtype))
    with open_session(graph, network.weights, (), as_written=True) as session:
        found = session.run(image).items()
    # Of classes that are nearly as good, another precision may name the other.
    outputs = {name: values[0] for name, values in found if values.dtype.kind == "f"}
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise refuse(f"'{name}' is not finite: nothing can be compared with it", hint="look at the weights")
    return Sample(image.tobytes(), outputs)


def _draw_pixels(taken: Input) -> npt.NDArray[np.uint8]:
    """Raw bits of a generator, which no version of NumPy may change, unlike its distributions: (1, H, W, C)."""
    count = math.prod(taken.shape)
    words = np.random.PCG64(0).random_raw(-(-count // 8)).astype("<u8")
    return words.view(np.uint8)[:count].reshape(1, *taken.size, taken.channels)

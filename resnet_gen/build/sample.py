"""One image and what a network outputs for it: what an engine, built elsewhere, is compared with."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from resnet_gen.engine.image import normalize_pixels
from resnet_gen.graph import Graph
from resnet_gen.language.spec import Input
from resnet_gen.ops import DType
from resnet_gen.problems import refuse
from resnet_gen.quantization.calibration.activations import open_session
from resnet_gen.weights.base import Array, Weights
from resnet_gen.weights.stream import element_type


class Sample(NamedTuple):
    """The bytes of an image as the network takes it, and its outputs, without the batch, in float32."""

    image: bytes
    outputs: dict[str, Array]


def draw_sample(graph: Graph, weights: Weights, taken: Input, dtype: DType) -> Sample:
    """An image of random pixels, and the outputs of a graph that computes in float32 what is not in eight bits.

    `dtype` is the type of the image. Raises `Refused` where an output is not finite.
    """
    image = _draw_pixels(taken).astype(element_type(dtype))
    with open_session(graph, weights, (), as_written=True) as session:
        outputs = {name: values[0] for name, values in session.run(image.astype(np.float32)).items()}
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise refuse(f"'{name}' is not finite: nothing can be compared with it", hint="look at the weights")
    return Sample(image.tobytes(), outputs)


def _draw_pixels(taken: Input) -> Array:
    """Raw bits of a generator, which no version of NumPy may change, unlike its distributions."""
    count = math.prod(taken.shape)
    words = np.random.PCG64(0).random_raw(-(-count // 8)).astype("<u8")
    pixels = words.view(np.uint8)[:count].reshape(*taken.size, taken.channels)
    return normalize_pixels(pixels, taken)

"""The generated Flax of every reference network against the outputs that its library computed.

`python -m tests.helpers.flax_runs` needs jax and flax (`pip install resnet-gen[flax]`); weights and image are those of
`parity.py`.
"""

from __future__ import annotations

import os
import sys
import time
from types import ModuleType
from typing import Any

import numpy as np

from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.graph import Graph
from resnet_gen.language.load import Loaded, load
from resnet_gen.weights.base import Array
from tests.helpers.onnx_runs import TOLERANCE, difference
from tests.helpers.parity import SIDES, logits, specs
from tests.reference import weights_rule

LEAVES = {"bias": "bias", "running_mean": "mean", "running_var": "var"}


def module(loaded: Loaded) -> ModuleType:
    """The generated file, as a module."""
    ((name, text),) = generate_files(CodeSubject(loaded), "flax").items()
    made = ModuleType(name.removesuffix(".py"))
    exec(compile(text, name, "exec"), made.__dict__)
    return made


def network_class(made: ModuleType) -> Any:
    """The class of the network: the last of the file."""
    return [value for value in vars(made).values() if isinstance(value, type) and value.__module__ == made.__name__][-1]


def tensors(graph: Graph) -> dict[str, Array]:
    """Weights by the reference's rule, as Flax names and lays them out."""
    found = {}
    for node in graph.nodes:
        for tensor in node.tensors:
            name = node.weight_name(tensor.role)
            values = weights_rule.tensor(name, tensor.shape)
            leaf = LEAVES.get(tensor.role) or ("kernel" if values.ndim > 1 else "scale")
            axes = (*range(2, values.ndim), 1, 0) if values.ndim > 1 else (0,)
            found[f"{name.rpartition('.')[0]}.{leaf}"] = values.transpose(axes)
    return found


def model(loaded: Loaded, graph: Graph) -> Any:
    """The network with these weights; it is never drawn from random numbers."""
    from flax import nnx

    made = module(loaded)
    found = nnx.eval_shape(lambda: network_class(made)(rngs=nnx.Rngs(0)))
    made.load(found, tensors(graph))
    found.eval()
    return found


def outputs(found: Any, image: Array) -> Array:
    """What a model outputs for a batch of maps with channels first; several as one row of numbers for each image."""
    import jax
    from flax import nnx

    graph, state = nnx.split(found)
    put_out = jax.jit(lambda state, x: nnx.merge(graph, state)(x))(state, image.transpose(0, 2, 3, 1))
    values = [np.asarray(y) for y in (put_out if isinstance(put_out, tuple) else (put_out,))]
    first = [y.transpose(0, 3, 1, 2) if y.ndim == 4 else y for y in values]
    return first[0] if len(first) == 1 else np.concatenate([y.reshape(len(image), -1) for y in first], axis=1)


def off(reference: str) -> float:
    """How far the outputs for a reference network are from the published ones."""
    loaded = load(specs()[reference], (f"input.size={SIDES[reference]}",))
    found = outputs(model(loaded, CodeSubject(loaded).graph), weights_rule.image(SIDES[reference]))
    return difference(found[0], logits()[reference])


def main(wanted: list[str]) -> int:
    """Compare all, or those whose names hold one of the words; returns how many are too far off."""
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # compiling takes longer than computing
    import jax

    failed = 0
    names = [name for name in SIDES if not wanted or any(word in name for word in wanted)]
    for number, name in enumerate(names, 1):
        start = time.perf_counter()
        apart = off(name)
        failed += not apart < TOLERANCE
        told = f"{'ok    ' if apart < TOLERANCE else 'FAILED'} {name:<34} {apart:.1e}"
        print(f"{number:>3}/{len(names)} {told}  {time.perf_counter() - start:.0f} s", flush=True)
        jax.clear_caches()
    print(f"{len(names) - failed} of {len(names)} within {TOLERANCE:g} of the largest output")
    return failed


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))

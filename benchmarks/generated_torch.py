"""Generated PyTorch against torchvision's own module: eager and compiled, forward and backward, in turns.

`python -m benchmarks.generated_torch [NETWORK...]`, after torch and torchvision are installed (see Makefile, `bench`).
Both models get the same weights and images. Two instances of one module differ by more than the 2 % that are asked
about, by where their weights lie in memory: so there are several rounds with new ones, and what counts is the median of
the rounds' ratios.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from benchmarks.torch_export import declare_missing_operators
from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.language.load import load
from tests.helpers.pytorch_parity import network

NETWORKS = ("resnet18", "resnet50", "resnext50_32x4d", "regnet_y_400mf", "vgg11_bn")
BATCH = 4
SIDE = 224
ROUNDS = 6
PAIRS = 3
SECONDS = 5.0
"""What a round measures: as many pairs, and as many seconds, at least."""
AIM = 1.02
"""Of torchvision's time: 2 % more is what a generated module may take."""


def ours(name: str) -> Any:
    """The generated network."""
    (text,) = generate_files(CodeSubject(load(name)), "pytorch").values()
    return network(text)


def theirs(name: str) -> Any:
    """The network of torchvision."""
    declare_missing_operators()
    import torchvision

    return getattr(torchvision.models, name)(weights=None)


def run(model: Any, images: Any, *, backward: bool) -> Callable[[], None]:
    """One step: forward in evaluation mode, or forward and backward in training mode."""
    import torch

    def forward() -> None:
        with torch.inference_mode():
            model(images)

    def both() -> None:
        model.zero_grad()
        model(images).square().mean().backward()

    model.train(backward)
    return both if backward else forward


def _seconds(step: Callable[[], None]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def _round(one: Callable[[], None], other: Callable[[], None]) -> tuple[float, float]:
    """Median seconds of two steps, taken in turns."""
    one()
    other()
    pairs: list[tuple[float, float]] = []
    while len(pairs) < PAIRS or sum(map(sum, pairs)) < SECONDS:
        pairs.append((_seconds(one), _seconds(other)))
    first, second = (statistics.median(side) for side in zip(*pairs, strict=True))
    return first, second


def _models(name: str, kind: str, makers: Sequence[Callable[[str], Any]]) -> list[Any]:
    """Both networks with the same weights, in the order in which they are made: it tells where in memory they lie."""
    import torch

    first, second = (make(name) for make in makers)
    second.load_state_dict(first.state_dict())
    if kind == "eager":
        return [first, second]
    torch._dynamo.reset()
    return [torch.compile(first), torch.compile(second)]


def measured(name: str, kind: str, *, backward: bool) -> list[tuple[float, float]]:
    """Seconds of both networks, in each of several rounds with new ones."""
    import torch

    images = torch.randn(BATCH, 3, SIDE, SIDE)
    rounds = []
    for number in range(ROUNDS):
        makers = (theirs, ours) if number % 2 else (ours, theirs)
        first, second = _round(*(run(model, images, backward=backward) for model in _models(name, kind, makers)))
        rounds.append((second, first) if number % 2 else (first, second))
    return rounds


def main(names: list[str]) -> int:
    """Print a table; returns 1 if a generated network is slower than the aim."""
    import torch

    torch.manual_seed(0)
    missed = 0
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {BATCH}, {ROUNDS} rounds\n")
    print(f"{'network':<18}{'':<10}{'':<10}{'generated':>12}{'torchvision':>13}{'ratio':>8}  of the rounds")
    for name, kind, backward in product(names or NETWORKS, ("eager", "compiled"), (False, True)):
        rounds = measured(name, kind, backward=backward)
        mine, other = (statistics.median(side) for side in zip(*rounds, strict=True))
        ratios = sorted(a / b for a, b in rounds)
        ratio = statistics.median(ratios)
        missed += ratio > AIM
        row = f"{name:<18}{kind:<10}{'backward' if backward else 'forward':<10}{mine:>10.3f} s{other:>11.3f} s"
        print(f"{row}{ratio:>8.3f}  {ratios[0]:.3f} to {ratios[-1]:.3f}", flush=True)
    return min(1, missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Generated PyTorch against torchvision's own module: eager and compiled, forward and backward, in turns.

`python -m benchmarks.generated_torch [NETWORK...]`, after torch and torchvision are installed (see Makefile, `bench`).
Both models get the same weights and images; what is printed is the median over pairs of neighbouring runs.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.torch_export import declare_missing_operators
from resnet_gen.generate.base import Subject, generated
from resnet_gen.load import load

NETWORKS = ("resnet18", "resnet50", "resnext50_32x4d", "regnet_y_400mf", "vgg11_bn")
BATCH = 8
SIDE = 224
PAIRS = 15
AIM = 1.02
"""Of torchvision's time: 2 % more is what a generated module may take."""


def ours(name: str) -> Any:
    """The generated network."""
    (text,) = generated(Subject(load(name)), "pytorch").values()
    names: dict[str, Any] = {"__name__": "generated"}
    exec(compile(text, f"<{name}>", "exec"), names)  # noqa: S102 - our own source, as a user would import it
    return [value for value in names.values() if getattr(value, "__module__", None) == "generated"][-1]()


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


def ratio(one: Callable[[], None], other: Callable[[], None]) -> tuple[float, float, float]:
    """Median seconds of both, and the median of their ratio, pair by pair; who goes first takes turns."""
    for _ in range(2):
        one()
        other()
    pairs = []
    for number in range(PAIRS):
        if number % 2:
            second = _seconds(other)
            pairs.append((_seconds(one), second))
        else:
            pairs.append((_seconds(one), _seconds(other)))
    times = [statistics.median(side) for side in zip(*pairs, strict=True)]
    return times[0], times[1], statistics.median(a / b for a, b in pairs)


def main(names: list[str]) -> int:
    """Print a table; returns 1 if a generated network is slower than the aim."""
    import torch

    torch.manual_seed(0)
    missed = 0
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {threads} threads, batch {BATCH}, {PAIRS} pairs\n")
    print(f"{'network':<18}{'':<10}{'':<10}{'generated':>12}{'torchvision':>13}{'ratio':>8}")
    for name in names or NETWORKS:
        mine, other = ours(name), theirs(name)
        mine.load_state_dict(other.state_dict())
        images = torch.randn(BATCH, 3, SIDE, SIDE)
        for kind in ("eager", "compiled"):
            if kind == "compiled":
                torch._dynamo.reset()
                mine, other = torch.compile(mine), torch.compile(other)
            for backward in (False, True):
                a, b, of = ratio(run(mine, images, backward=backward), run(other, images, backward=backward))
                missed += of > AIM
                what = "backward" if backward else "forward"
                print(f"{name:<18}{kind:<10}{what:<10}{a:>10.3f} s{b:>11.3f} s{of:>8.3f}", flush=True)
    return min(1, missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

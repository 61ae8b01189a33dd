"""Generated PyTorch of every reference network against the outputs that its library computed: `make parity-pytorch`.

Needs torch. `--save` keeps the outputs of a dozen, with the SHA-256 of the source that computed them, for the tests
that run without it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.language.load import load
from resnet_gen.weights.base import Array
from tests.helpers.onnx_runs import TOLERANCE, difference
from tests.helpers.parity import SIDES, logits, specs
from tests.reference import weights_rule

SAVED = Path(__file__).parents[1] / "fixtures" / "generated_outputs"
DOZEN = [
    "torchvision/resnet18",
    "torchvision/resnet50",
    "torchvision/wide_resnet50_2",
    "torchvision/resnext50_32x4d",
    "torchvision/regnet_y_400mf",
    "torchvision/vgg11_bn",
    "timm/resnet50d",
    "timm/seresnet50",
    "timm/ecaresnet50d_pruned",
    "timm/resnetv2_50",
    "timm/resnetv2_50x1_bit",
    "timm/res2net50_26w_4s",
    "timm/resnest50d",
    "timm/skresnet18",
    "timm/regnetz_005",
]


def source(reference: str) -> str:
    """The generated module of a reference network, for the image that its outputs are known for."""
    (text,) = generate_files(
        CodeSubject(load(specs()[reference], [f"input.size={SIDES[reference]}"])), "pytorch"
    ).values()
    return text


def saved() -> dict[str, Array]:
    """The outputs of the dozen that are kept."""
    with np.load(SAVED.with_suffix(".npz")) as archive:
        return {name: archive[name] for name in archive.files}


def digest(text: str) -> str:
    """SHA-256 of a module."""
    return hashlib.sha256(text.encode()).hexdigest()


def network(text: str, **numbers: int) -> Any:
    """The network that a module defines, its last class; the numbers that are not given are its defaults."""
    names: dict[str, Any] = {"__name__": "generated"}
    exec(compile(text, "<generated>", "exec"), names)
    return [value for value in names.values() if getattr(value, "__module__", None) == "generated"][-1](**numbers)


def ruled(model: Any) -> Any:
    """The model with the weights that the reference's rule gives to its names, in evaluation mode."""
    import torch

    state = {
        name: torch.from_numpy(weights_rule.tensor(name, tuple(value.shape)))
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    missing = model.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    return model.eval()


def outputs(text: str, side: int) -> Array:
    """What the module's network outputs for the reference's image."""
    import torch

    with torch.inference_mode():
        found: Array = ruled(network(text))(torch.from_numpy(weights_rule.image(side)))[0].numpy()
    return found


def main(wanted: list[str]) -> int:
    """Compare all, or those whose names hold one of the words; with `--save` the dozen, kept."""
    save = "--save" in wanted
    words = [word for word in wanted if word != "--save"]
    names = DOZEN if save else [name for name in SIDES if not words or any(word in name for word in words)]
    kept, digests, failed = {}, {}, 0
    for number, name in enumerate(names, 1):
        text = source(name)
        found = outputs(text, SIDES[name])
        off = difference(found, logits()[name])
        kept[name], digests[name] = found, digest(text)
        failed += not off < TOLERANCE
        print(f"{number:>3}/{len(names)} {'ok    ' if off < TOLERANCE else 'FAILED'} {name:<34} {off:.1e}", flush=True)
    print(f"{len(names) - failed} of {len(names)} within {TOLERANCE:g} of the largest output")
    if save and not failed:
        np.savez_compressed(SAVED.with_suffix(".npz"), **kept)
        SAVED.with_suffix(".json").write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))

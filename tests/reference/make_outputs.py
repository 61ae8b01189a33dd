"""Outputs of timm's and torchvision's networks at other sizes, dilations and depths: `more_outputs.npz`.

Run by hand where torch, torchvision and timm are installed, from the project's root:
`python -m tests.reference.make_outputs`. Weights and image are those of
`weights_rule.py`; everything is computed in float64. Of a feature map every
`STEP`-th value is kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.reference import weights_rule

STEP = 61
LOGITS = {
    "timm/resnet50d": 113,
    "timm/resnet10t": 176,
    "timm/resnetblur50": 131,
    "timm/resnetaa50d": 160,
    "timm/legacy_seresnet50": 127,
    "timm/senet154": 101,
    "timm/ecaresnet50d_pruned": 129,
    "timm/resnetrs50": 111,
    "timm/resnest50d": 118,
    "timm/skresnet18": 125,
    "timm/res2net50_14w_8s": 107,
    "timm/regnetz_005": 130,
    "timm/regnetv_040": 99,
    "timm/resnetv2_50x1_bit": 133,
    "timm/resnetv2_34d": 121,
    "torchvision/regnet_y_400mf": 119,
}
"""Networks, and the side of the image that each gets: odd ones, whose halves are rounded."""
FEATURES = [
    ("timm/resnet50", 32, 3),
    ("timm/resnet50", 8, 3),
    ("timm/resnet50d", 16, 3),
    ("timm/resnet50d", 8, 3),
    ("timm/resnet18d", 8, 3),
    ("timm/resnet18", 16, 1),
    ("timm/seresnext50_32x4d", 16, 4),
    ("timm/senet154", 16, 3),
    ("timm/regnety_032", 16, 3),
    ("timm/resnetv2_50d", 16, 3),
    ("timm/resnetv2_50", 8, 3),
    ("timm/resnest50d", 16, 3),
    ("timm/skresnet50", 16, 3),
    ("timm/res2net50_26w_4s", 8, 3),
]
"""Networks whose four stages' maps are kept, with their output stride and input channels, for an image of 96."""

DEPTHS = [1, 2, 1, 2]
VARIANTS = {
    "se and silu": (
        ("timm/resnet26d", {"block_args": {"attn_layer": "se"}, "act_layer": "silu"}, (3, 97, 131)),
        ("resnet50d", "stages.depths=[2, 2, 2, 2]", "stages.attention=se", "activation=silu"),
    ),
    "group norm, other channels and classes": (
        ("timm/resnet18d", {"norm_layer": "groupnorm", "in_chans": 5, "num_classes": 7}, (5, 64, 80)),
        ("resnet18d", "norm=group", "head.classes=7", "input.channels=5"),
    ),
    **{
        f"activation {name}": (("timm/resnet10t", {"act_layer": name}, (3, 75, 61)), ("resnet10t", f"activation={name}"))
        for name in ("mish", "hard_swish", "elu", "gelu", "leaky_relu", "tanh")
    },
    "groups and a narrow tiered stem": (
        (
            "timm/resnext50_32x4d",
            {"cardinality": 16, "base_width": 6, "stem_type": "deep_tiered", "stem_width": 24, "avg_down": True},
            (3, 77, 90),
        ),
        (
            "timm-resnext50_32x4d", "stages.block.groups=16", "stages.block.base_width=6",
            "stem={kind: deep, widths: [18, 24, 48]}", "stages.shortcut=avg_projection",
        ),
    ),
    "selective kernels over the whole input": (
        (
            "timm/skresnet50",
            {"cardinality": 2, "base_width": 48, "block_args": {"sk_kwargs": {"split_input": False, "rd_ratio": 1 / 8}}},
            (3, 64, 96),
        ),
        (
            "skresnet50", "stages.block.groups=2", "stages.block.base_width=48", "stages.block.split_input=false",
            "stages.block.rd_ratio=0.125",
        ),
    ),
    "three scales in groups": (
        ("timm/res2net50_26w_4s", {"cardinality": 2, "base_width": 20, "block_args": {"scale": 3}}, (3, 64, 96)),
        ("res2net50_26w_4s", "stages.block.groups=2", "stages.block.base_width=20", "stages.block.scales=3"),
    ),
    "four splits of two groups": (
        (
            "timm/resnest50d",
            {
                "layers": DEPTHS, "cardinality": 2, "base_width": 40,
                "block_args": {"radix": 4, "avd": True, "avd_first": True},
            },
            (3, 70, 96),
        ),
        (
            "resnest50d", f"stages.depths={DEPTHS}", "stages.block.groups=2", "stages.block.base_width=40",
            "stages.block.radix=4", "stages.block.pool_first=true",
        ),
    ),
    "pre-activation, tiered, dilated": (
        (
            "timm/resnetv2_50",
            {"layers": DEPTHS, "stem_type": "tiered", "avg_down": True, "output_stride": 16},
            (3, 66, 96),
        ),
        ("resnetv2_50t", f"stages.depths={DEPTHS}", "stages.output_stride=16"),
    ),
}  # fmt: skip
"""Variants that no library publishes: how it builds each, for an image of which shape, and how our language says it."""


def key(name: str, stride: int, channels: int) -> str:
    """What the maps of a network are stored under, before the stage."""
    return f"{name}/stride{stride}/channels{channels}"


def image(side: int, channels: int) -> np.ndarray:
    """A square image of any number of channels, by the rule."""
    return weights_rule.image(side) if channels == 3 else oblong((channels, side, side))


def oblong(shape: tuple[int, int, int]) -> np.ndarray:
    """An image of any shape, by the rule."""
    rng = weights_rule._rng(f"input-{shape}")
    return rng.standard_normal((1, *shape)).astype(np.float32)


def filled(model):
    """A module with the rule's weights, in float64."""
    import torch

    state = {
        name: torch.from_numpy(np.asarray(weights_rule.tensor(name, tuple(value.shape))))
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    model.load_state_dict(state, strict=False)
    return model.double().eval()


def built(name: str, **settings):
    """A network of either library."""
    import timm
    import torchvision

    library, network = name.split("/")
    if library == "timm":
        return filled(timm.create_model(network, pretrained=False, **settings))
    return filled(getattr(torchvision.models, network)(weights=None))


def main() -> None:
    """Compute and store them all."""
    from benchmarks.torch_export import declare_missing_operators

    declare_missing_operators()
    import torch

    found = {}
    with torch.no_grad():
        for name, side in LOGITS.items():
            x = torch.from_numpy(image(side, 3)).double()
            found[f"{name}/{side}"] = built(name)(x)[0].float().numpy()
        for variant, ((name, settings, shape), _) in VARIANTS.items():
            x = torch.from_numpy(oblong(shape)).double()
            found[variant] = built(name, **settings)(x)[0].float().numpy()
        for name, stride, channels in FEATURES:
            model = built(name, output_stride=stride, in_chans=channels)
            x = torch.from_numpy(image(96, channels)).double()
            maps = model.forward_intermediates(x, indices=4, intermediates_only=True)
            for stage, values in enumerate(maps, 1):
                found[f"{key(name, stride, channels)}/stage{stage}"] = values[0].float().numpy().ravel()[::STEP]
    np.savez_compressed(Path(__file__).parent / "more_outputs.npz", **found)


if __name__ == "__main__":
    main()

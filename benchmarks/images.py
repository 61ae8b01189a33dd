"""Real images: crops of the two photographs that scikit-learn carries, as a ResNet takes them."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_sample_images

from resnet_gen.language.spec import Input
from resnet_gen.weights.base import Array


def crops(count: int, seed: int, to: Input) -> Array:
    """Crops at random places, half of them mirrored; float32 (N, 3, H, W), normalized."""
    rng = np.random.default_rng(seed)
    height, width = to.size
    mean, std = (np.asarray(v, np.float32) for v in to.normalization)
    pictures = load_sample_images().images
    found = []
    for index in range(count):
        picture = pictures[index % len(pictures)]
        top, left = (int(rng.integers(0, a - b)) for a, b in zip(picture.shape, (height, width), strict=False))
        crop = picture[top : top + height, left : left + width]
        crop = crop[:, ::-1] if rng.integers(2) else crop
        found.append(((crop / np.float32(255) - mean) / std).transpose(2, 0, 1))
    return np.stack(found).astype(np.float32)

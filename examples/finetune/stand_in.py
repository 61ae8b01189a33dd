"""Writes what stands in for pretrained weights and photographs, where neither can be downloaded: see README.md.

`FOLDER/resnet18.pth` has the names and shapes of torchvision's checkpoint and was trained on scikit-learn's digits
0 to 4, for a few epochs; `FOLDER/images/` holds the digits 5 to 9 as PNG files, which it has never seen.
"""

from __future__ import annotations

from pathlib import Path

import click
import finetune
import numpy as np
from PIL import Image

from resnet_gen.engine.image import read_image
from resnet_gen.language.load import load

SETTINGS = ["input.size=32"]


def write(folder: Path, digits: range) -> None:
    """The images of these digits as `folder/<digit>/<number>.png`, grey, 8 x 8."""
    from sklearn.datasets import load_digits

    data = load_digits()
    for number, (pixels, digit) in enumerate(zip(data.images, data.target, strict=True)):
        if digit in digits:
            path = folder / str(digit) / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 255 / 16).round().astype(np.uint8)).save(path)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--epochs", type=click.IntRange(0), default=3, show_default=True, help="0 leaves the weights random.")
def main(folder: Path, epochs: int) -> None:
    """Write a checkpoint of ResNet-18 and images into FOLDER."""
    import torch

    write(folder / "trained-on", range(5))
    write(folder / "images", range(5, 10))
    torch.manual_seed(0)
    model = finetune.network("resnet18", SETTINGS, folder)
    photos, to = finetune.found(folder / "trained-on"), load("resnet18", SETTINGS).spec.input
    images = np.concatenate([read_image(path, to) for path in photos.paths])
    finetune.train(model, images, photos.labels, finetune.Settings(epochs, 0, 32, 0.05, flip=False))
    torch.save(model.state_dict(), folder / "resnet18.pth")


if __name__ == "__main__":
    main()

"""Trains resnet8-digits: `resnet8-digits.safetensors`, and what PyTorch says of it, `resnet8-digits.json`.

Run by hand where torch is installed beside the `dev` extra, from the project's root:
`python -m tests.accuracy.train`, half a minute on one core. With `--choose` it
trains five times on four fifths of the training part, and prints what each
gets right of the fifth that it has not seen; the settings below were judged by
that. The test part is looked at once, at the end.

The network is written here in PyTorch's words, not made from the spec, and so is a witness of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from tests.accuracy import digits
from tests.accuracy.digits import SPEC, Part

HERE = Path(__file__).parent
EPOCHS, BATCH, RATE, DECAY, SMOOTHING = 80, 64, 0.1, 5e-4, 0.1
FOLDS = 5


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, called as torchvision calls them."""

    def __init__(self, entering: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(entering, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Sequential()
        if entering != width:
            self.downsample = nn.Sequential(nn.Conv2d(entering, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet8(nn.Module):
    """The CIFAR layout of He et al. 2015, Sec. 4.2, with n = 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2))
        self.layer3 = nn.Sequential(Block(32, 64, 2))
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer3(self.layer2(self.layer1(y))).mean((2, 3)))


def shifted(images: Tensor) -> Tensor:
    """Each image moved by up to a pixel up or down and left or right, black coming in."""
    black = float(digits.normalized(np.zeros((1, 1, 1), np.uint8)).item())
    padded = functional.pad(images, (1, 1, 1, 1), value=black)
    down, right = torch.randint(3, (2, len(images), 1))
    rows, columns = down + torch.arange(8), right + torch.arange(8)
    each = torch.arange(len(images))[:, None, None]
    return padded[each, 0, rows[:, :, None], columns[:, None, :]][:, None]


def trained(part: Part) -> ResNet8:
    """A network trained on these images, the same each time on one machine."""
    torch.manual_seed(0)
    images, labels = torch.from_numpy(part.images), torch.from_numpy(part.labels)
    model = ResNet8()
    steps = EPOCHS * -(-len(labels) // BATCH)
    optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=0.9, weight_decay=DECAY, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.15)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(labels)).split(BATCH):
            scores = model(shifted(images[batch]))
            loss = functional.cross_entropy(scores, labels[batch], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def predictions(model: ResNet8, part: Part) -> np.ndarray:
    """The digit that the network sees on each image."""
    with torch.no_grad():
        return model(torch.from_numpy(part.images)).argmax(1).numpy()


def choose(part: Part) -> None:
    """Print how many of each fifth a network gets right that was trained on the others."""
    found = []
    for fold in range(FOLDS):
        held = np.arange(len(part.labels)) % FOLDS == fold
        model = trained(Part(part.images[~held], part.labels[~held]))
        found.append(int((predictions(model, Part(part.images[held], part.labels[held])) == part.labels[held]).sum()))
        print(f"{found[-1]} of {held.sum()}", flush=True)
    print(f"{sum(found)} of {len(part.labels)}: {sum(found) / len(part.labels):.2%}")


def save(model: ResNet8, test: Part) -> None:
    """Write the weights, and what PyTorch predicts with them."""
    state = {name: value.contiguous() for name, value in model.state_dict().items() if "num_batches" not in name}
    save_file(state, HERE / f"{SPEC}.safetensors")
    found = predictions(model, test)
    report = {
        "params": sum(value.numel() for value in model.parameters()),
        "images": len(found),
        "correct": int((found == test.labels).sum()),
        "predictions": "".join(map(str, found)),
    }
    (HERE / f"{SPEC}.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print({key: value for key, value in report.items() if key != "predictions"})


def main(wanted: list[str]) -> None:
    """Train and store; or compare settings, with `--choose`."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train, test = digits.split()
    if wanted == ["--choose"]:
        choose(train)
    else:
        save(trained(train), test)


if __name__ == "__main__":
    main(sys.argv[1:])

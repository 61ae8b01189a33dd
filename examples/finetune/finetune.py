"""Fine-tunes a checkpoint of torchvision or timm on a folder of images. README.md beside it explains.

Needs torch. Exit codes: 0 fine, 2 something cannot be read, written or loaded.
"""

from __future__ import annotations

import importlib.util
import math
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from resnet_gen.engine.image import read_image
from resnet_gen.language.load import Loaded, list_spec_files, load
from resnet_gen.language.spec import Input
from resnet_gen.problems import Problem, Refused, refuse
from resnet_gen.system.write import check_writable

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
MOST_NAMED = 10
MOMENTUM, DECAY, SMOOTHING = 0.9, 1e-4, 0.1
SHIFT = 1 / 16
"""Of the side: images are moved by up to so much as they are trained on."""


class Photos(NamedTuple):
    """Paths and classes of images, in the order of names; which of them are for validation."""

    classes: list[str]
    paths: list[Path]
    labels: npt.NDArray[np.int64]
    held: npt.NDArray[np.bool_]


class Settings(NamedTuple):
    """How to train; for the first `freeze` of the `epochs` the last layer alone."""

    epochs: int
    freeze: int
    batch: int
    rate: float
    flip: bool


def say(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


def progress() -> Progress:
    """A bar on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def found(folder: Path) -> Photos:
    """The images in `folder/<class>/`; of each class the 2nd, 7th, 12th, ... are for validation.

    Raises `Refused` unless there are two classes, of two images each.
    """
    if not folder.is_dir():
        raise refuse("no folder", str(folder))
    shown = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    if len(shown) < 2:
        hint = "images are expected as FOLDER/CLASS/NAME.jpg, of two classes or more"
        raise refuse(f"{len(shown) or 'no'} folder of a class in it", str(folder), hint)
    paths, labels, held = [], [], []
    for label, inner in enumerate(shown):
        images = sorted(path for path in inner.iterdir() if path.suffix.lower() in SUFFIXES)
        if len(images) < 2:
            raise refuse(f"{len(images) or 'no'} image in it, where two are needed", str(inner))
        paths += images
        labels += [label] * len(images)
        held += [at % 5 == 1 for at in range(len(images))]
    return Photos([path.name for path in shown], paths, np.array(labels), np.array(held))


def read(paths: list[Path], to: Input) -> npt.NDArray[np.float32]:
    """The images as the spec's `input` has them, (N, C, H, W), in a file without a name: they may exceed the memory.

    Raises `Refused`, naming the first ten, if some cannot be read.
    """
    images: npt.NDArray[np.float32] = np.memmap(
        tempfile.TemporaryFile(),  # noqa: SIM115  # closed with the array
        np.float32,
        shape=(len(paths), to.channels, *to.size),
    )
    broken: list[Problem] = []
    with progress() as bar:
        for at, path in enumerate(bar.track(paths, description="reading images")):
            try:
                images[at] = read_image(path, to)[0]
            except Refused as refused:
                broken += refused.problems
    if broken:
        more = len(broken) - MOST_NAMED
        raise Refused(broken[:MOST_NAMED] + [Problem(f"and {more} more that cannot be read")] * (more > 0))
    return images


def command(*arguments: object) -> str:
    """Run the command as one would type it and return what it prints; leaves with its exit code if not 0."""
    words = [str(argument) for argument in arguments]
    say(f"\n$ resnet-gen {shlex.join(words)}")
    done = subprocess.run([sys.executable, "-m", "resnet_gen", *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def given(settings: Iterable[str]) -> list[str]:
    """`--set` for each of the settings."""
    return [word for setting in settings for word in ("--set", setting)]


def network(spec: str, settings: Iterable[str], out: Path) -> Any:
    """The network of the spec, out of the PyTorch source that `resnet-gen generate` writes into `out`."""
    from torch import nn

    *_, path = command("generate", spec, *given(settings), "--to", "pytorch", "-o", out, "--force").splitlines()
    source = importlib.util.spec_from_file_location("generated", path)
    assert source
    assert source.loader
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    *_, whole = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, nn.Module)]
    return whole()


def varied(images: Any, flip: bool) -> Any:
    """Images (N, C, H, W) moved a little, the edges repeated, and with `flip` every other one mirrored, by chance."""
    import torch

    height, width = images.shape[2:]
    by = max(1, round(SHIFT * min(height, width)))
    padded = torch.nn.functional.pad(images, (by, by, by, by), mode="replicate")
    down, right = torch.randint(2 * by + 1, (2,))
    moved = padded[:, :, down : down + height, right : right + width]
    return torch.where(torch.rand(len(moved), 1, 1, 1) < 0.5, moved.flip(3), moved) if flip else moved


def train(model: Any, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], how: Settings) -> None:
    """Train the model on the images, in place."""
    import torch

    device = next(model.parameters()).device
    last = [module for module in model.modules() if list(module.parameters(recurse=False))][-1]
    optimizer = torch.optim.SGD(model.parameters(), how.rate, MOMENTUM, weight_decay=DECAY, nesterov=True)
    steps = max(1, how.epochs * math.ceil(len(labels) / how.batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.rate, total_steps=steps, pct_start=0.2)
    with progress() as bar:
        task = bar.add_task("training", total=steps)
        for epoch in range(how.epochs):
            frozen = epoch < how.freeze
            model.requires_grad_(not frozen).train(not frozen)  # frozen, norms keep their statistics, too
            last.requires_grad_(True).train()
            for batch in torch.randperm(len(labels)).split(how.batch):
                if len(batch) > 1:  # one image has no variance that a norm could divide by
                    scores = model(varied(torch.from_numpy(images[batch]), how.flip).to(device))
                    wanted = torch.from_numpy(labels[batch]).to(device)
                    loss = torch.nn.functional.cross_entropy(scores, wanted, label_smoothing=SMOOTHING)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    bar.update(task, description=f"epoch {epoch + 1}, loss {loss.item():.3f}")
                schedule.step()
                bar.advance(task)
    model.requires_grad_(True).eval()


def right(model: Any, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], batch: int) -> int:
    """How many images the model gets right."""
    import torch

    device = next(model.parameters()).device
    with torch.inference_mode():
        parts = [
            (model(torch.from_numpy(images[at : at + batch]).to(device)).argmax(1).cpu().numpy() == labels[at:][:batch])
            for at in range(0, len(labels), batch)
        ]
    return int(np.concatenate(parts).sum())


def tuned(loaded: Loaded, start: Path, model: Any, photos: Photos, images: npt.NDArray[np.float32], how: Settings,
          out: Path) -> None:  # fmt: skip
    """Train from the weights in `start`; write the weights, and print what they get right."""
    import torch
    from safetensors.torch import load_file, save_file

    model.load_state_dict(load_file(start))
    model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    held, labels = photos.held, photos.labels
    rows = {"before": right(model, images[held], labels[held], how.batch)}
    train(model, images[~held], labels[~held], how)
    rows["after"] = right(model, images[held], labels[held], how.batch)
    save_file({name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}, out)
    out.with_name("classes.txt").write_text("\n".join(photos.classes) + "\n", encoding="utf-8")
    print("| fine-tuning | right | top-1 |\n|---|--:|--:|")
    for when, count in rows.items():
        print(f"| {when} | {count} of {held.sum()} | {count / held.sum():.2%} |".replace("%", " %"))


@click.command()
@click.argument("spec")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", "out", type=click.Path(path_type=Path), default=Path("build/finetune"),
              show_default=True, help="Folder to write to.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
              help="Change one key of the spec, as in --set input.size=160.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(0), default=5, show_default=True)
@click.option("--freeze", type=click.IntRange(0), default=1, show_default=True,
              help="Epochs in which the last layer alone is trained; as many as --epochs: it alone.")  # fmt: skip
@click.option("--batch", type=click.IntRange(2), default=32, show_default=True, help="Images of a step.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=0.02, show_default=True,
              help="Highest learning rate.")  # fmt: skip
@click.option("--flip/--no-flip", default=False, show_default=True, help="Mirror images by chance: not for digits.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
def main(
    spec: str, checkpoint: Path, folder: Path, out: Path, settings: tuple[str, ...], seed: int, **how: Any
) -> None:
    """Fine-tune CHECKPOINT, weights of SPEC, on the images in FOLDER/CLASS/.

    \b
    Example: python finetune.py resnet18 resnet18.pth photos -o build/finetune --flip
    """
    try:
        run(spec, checkpoint, folder, out, settings, seed, Settings(**how))
    except Refused as refused:
        say(str(refused))
        sys.exit(2)
    except OSError as error:
        say(f"{error.filename or out}: error: {error.strerror or error}")
        sys.exit(2)


def run(
    spec: str, checkpoint: Path, folder: Path, out: Path, settings: Iterable[str], seed: int, how: Settings
) -> None:
    """Find the images, convert the checkpoint, train, and say how to build; torch is asked for last."""
    photos = found(folder)
    classes = len(photos.classes)
    settings = [*settings, f"head.classes={classes}"]
    loaded = load(spec, settings)
    out.mkdir(parents=True, exist_ok=True)
    start, result = out / "start.safetensors", out / f"{loaded.spec.name}.safetensors"
    check_writable(result, [checkpoint, *list_spec_files(spec)])
    head = ("--classes", classes, "--head", "init", "--seed", seed)
    made = command("weights", "convert", spec, checkpoint, *given(settings), *head, "-o", start, "--force")
    say(made.splitlines()[-1])
    images = read(photos.paths, loaded.spec.input)
    if not importlib.util.find_spec("torch"):
        raise refuse("torch is not installed", hint="pip install '.[torch]'")
    import torch

    torch.manual_seed(seed)
    tuned(loaded, start, network(spec, settings, out), photos, images, how, result)
    line = ["build", spec, *given(settings), "--weights", str(result), "-o", str(out / "engine")]
    print(f"\nresnet-gen {shlex.join(line)} --target tensorrt-rtx --precision fp16")


if __name__ == "__main__":
    main()

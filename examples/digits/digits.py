"""From a spec to a trained, quantized network and an engine, on scikit-learn's digits. README.md beside it explains.

Needs the extra `examples`; of it, matplotlib and openvino may be absent, and the steps that need them are left out.
Exit codes: 0 fine, 1 an accuracy that was promised is missed, 2 something cannot be read, written or loaded.
"""

from __future__ import annotations

import importlib.util
import math
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from resnet_gen.language.load import load
from resnet_gen.problems import Refused, refuse

SPEC = "resnet8-digits"
BATCH, RATE, DECAY, SMOOTHING = 64, 0.1, 5e-4, 0.1
"""Those of docs/accuracy.md, chosen on the training part alone."""
CALIBRATION_IMAGES = 256
LEAST_TOP1, MOST_LOST = 98.0, 0.5
"""Percent that float32 must get right, and points of it that INT8 may lose."""

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Predict = Callable[[Images], Labels]


class Part(NamedTuple):
    """Images as the network takes them, float32 (N, 1, 8, 8), and the digit on each."""

    images: Images
    labels: Labels


class Row(NamedTuple):
    """How many of the held-out images one step of the way gets right."""

    step: str
    right: int
    images: int

    @property
    def top1(self) -> float:
        """In percent."""
        return 100 * self.right / self.images

    def __str__(self) -> str:
        return f"| {self.step} | {self.right} of {self.images} | {self.top1:.2f} % |"


def data() -> tuple[Part, Part]:
    """The training part, 1201 images, and the held-out part: of each digit every third image, 596."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    mean, std = (np.float32(values[0]) for values in load(SPEC).spec.input.normalization)
    images = ((digits.images[:, None].astype(np.float32) / 16 - mean) / std).astype(np.float32)
    labels = digits.target.astype(np.int64)
    held = np.zeros(len(labels), bool)
    for digit in range(10):
        held[np.flatnonzero(labels == digit)[2::3]] = True
    return Part(images[~held], labels[~held]), Part(images[held], labels[held])


def command(*arguments: object) -> None:
    """Run the command as one would type it, with what it prints on stderr; leaves with its exit code if not 0."""
    words = [str(argument) for argument in arguments]
    say(f"\n$ resnet-gen {shlex.join(words)}")
    code = subprocess.run([sys.executable, "-m", "resnet_gen", *words], stdout=sys.stderr, check=False).returncode
    if code:
        sys.exit(code)


def say(text: str) -> None:
    """Print a line on stderr: stdout has the table alone."""
    print(text, file=sys.stderr, flush=True)


def installed(library: str, without: str) -> bool:
    """Whether a library is there; says what is left out `without` it."""
    if importlib.util.find_spec(library):
        return True
    say(f"\n{library} is not installed: {without}")
    return False


def generated(folder: Path) -> Any:
    """The network out of the file that `resnet-gen generate` wrote into `folder`."""
    found = importlib.util.spec_from_file_location("resnet8_digits", folder / "resnet8_digits.py")
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.ResNet8Digits()


def shifted(images: Any, black: float) -> Any:
    """Each image (N, 1, 8, 8) moved by up to a pixel up or down and left or right, black coming in."""
    import torch

    padded = torch.nn.functional.pad(images, (1, 1, 1, 1), value=black)
    down, right = torch.randint(3, (2, len(images), 1))
    rows, columns = down + torch.arange(8), right + torch.arange(8)
    each = torch.arange(len(images))[:, None, None]
    return padded[each, 0, rows[:, :, None], columns[:, None, :]][:, None]


def trained(model: Any, part: Part, epochs: int) -> list[float]:
    """Train the model; the mean loss of each epoch."""
    import torch

    images, labels = torch.from_numpy(part.images), torch.from_numpy(part.labels)
    black, losses = float(part.images.min()), []
    optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=0.9, weight_decay=DECAY, nesterov=True)
    steps = epochs * math.ceil(len(labels) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.15)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=epochs)
        for _ in range(epochs):
            total = 0.0
            for batch in torch.randperm(len(labels)).split(BATCH):
                scores = model(shifted(images[batch], black))
                loss = torch.nn.functional.cross_entropy(scores, labels[batch], label_smoothing=SMOOTHING)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(batch)
            losses.append(total / len(labels))
            progress.update(task, advance=1, description=f"training, loss {losses[-1]:.3f}")
    model.eval()
    return losses


def draw(losses: list[float], path: Path) -> None:
    """The loss of each epoch as a picture, with the least that smoothed labels allow."""
    from matplotlib.figure import Figure

    wrong = SMOOTHING / 10
    right = 1 - 9 * wrong
    least = -right * math.log(right) - 9 * wrong * math.log(wrong)
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses, color="#2a6f97", linewidth=2, label="mean loss of an epoch")
    axes.axhline(least, color="#e07a3f", linestyle="--", label=f"least with smoothed labels: {least:.3f}")
    axes.set(xlabel="epoch", ylabel="cross entropy", ylim=(0, None), xlim=(1, max(2, len(losses))))
    axes.set_title("Training resnet8-digits on 1201 images", loc="left", fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e9edf1")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def train(out: Path, epochs: int) -> Predict:
    """Train the generated network, write its weights and the picture; what it predicts."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    torch.set_num_threads(1)  # so small a network gains nothing from more, and sums come in one order
    torch.use_deterministic_algorithms(True)
    model = generated(out)
    say("")
    losses = trained(model, data()[0], epochs)
    save_file(model.state_dict(), out / f"{SPEC}.safetensors")
    if installed("matplotlib", "no picture of the loss"):
        draw(losses, out / "loss.png")

    def predict(images: Images) -> Labels:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(images)).argmax(1).numpy(), np.int64)

    return predict


def on_onnxruntime(model: Path) -> Predict:
    """An ONNX file on ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(None, {"input": images})[0].argmax(1), np.int64)


def on_openvino(model: Path) -> Predict:
    """An ONNX file on OpenVINO; float32 stays that on processors that have bfloat16, too."""
    import openvino

    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: np.asarray(compiled([images])[0].argmax(1), np.int64)


def build(out: Path) -> dict[str, Path]:
    """The ONNX files by precision, the engine and Triton's model repository; INT8 is calibrated on training images."""
    images = data()[0].images
    chosen = images[np.arange(CALIBRATION_IMAGES) * len(images) // CALIBRATION_IMAGES]
    np.savez(out / "calibration.npz", images=chosen)
    weights = ("--weights", out / f"{SPEC}.safetensors", "--force")  # over an earlier run's
    int8 = ("--precision", "int8", "--calibration", out / "calibration.npz")
    cpu = ("--for", "cpu-avx2")  # weights of seven bits: right on every x86 processor
    command("build", SPEC, *weights, "-o", out / "fp32")
    command("build", SPEC, *weights, *cpu, *int8, "-o", out / "int8")
    if installed("tensorrt_rtx", "no engine (there are packages for x86-64 Linux and Windows)"):
        command("build", SPEC, *weights, *int8, "--target", "tensorrt-rtx", "-o", out / "engine")
    command("build", SPEC, *weights, *cpu, *int8, "--target", "triton", "-o", out / "triton")
    return {"FP32": out / "fp32" / f"{SPEC}.onnx", "INT8": out / "int8" / f"{SPEC}.onnx"}


def measured(network: Predict, files: dict[str, Path]) -> list[Row]:
    """What each step gets right of the held-out part, which nothing has looked at before."""
    test = data()[1]
    runtimes = {"ONNX Runtime": on_onnxruntime}
    if installed("openvino", "its rows are left out"):
        runtimes["OpenVINO"] = on_openvino
    steps = {"PyTorch, FP32": network}
    steps |= {f"{by}, {precision}": run(file) for precision, file in files.items() for by, run in runtimes.items()}
    return [
        Row(step, int((predict(test.images) == test.labels).sum()), len(test.labels)) for step, predict in steps.items()
    ]


def missed(rows: list[Row]) -> list[str]:
    """The promises that are not kept, in words."""
    fp32 = rows[0].top1
    limits = [(row, fp32 - MOST_LOST if row.step.endswith("INT8") else LEAST_TOP1) for row in rows]
    return [f"{row.step}: {row.top1:.2f} %, at least {least:.2f} % wanted" for row, least in limits if row.top1 < least]


@click.command()
@click.option("-o", "--output", "out", type=click.Path(path_type=Path), default=Path("build/digits"), show_default=True,
              help="Folder to write to.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1, 1000), default=40, show_default=True, help="Epochs to train.")
def main(out: Path, epochs: int) -> None:
    """Train, quantize and measure a network for scikit-learn's digits, and build what serves it."""
    try:
        for library in ("torch", "sklearn"):
            if not importlib.util.find_spec(library):
                raise refuse(f"{library} is not installed", hint="pip install '.[examples]'")
        out.mkdir(parents=True, exist_ok=True)
    except (Refused, OSError) as error:
        say(str(error) if isinstance(error, Refused) else f"{out}: error: {error.strerror}")
        sys.exit(2)
    command("verify", SPEC)
    command("generate", SPEC, "--to", "pytorch", "-o", out, "--force")
    network = train(out, epochs)
    rows = measured(network, build(out))
    say("")
    print("| step | right | top-1 |\n|---|--:|--:|", *rows, sep="\n")
    if faults := missed(rows):
        say("\n".join(f"missed: {fault}" for fault in faults))
        sys.exit(1)


if __name__ == "__main__":
    main()

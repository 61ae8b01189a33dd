"""What is committed of `resnet-gen generate`, in `generated/SPEC/TARGET/`: `--check` compares it."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.generate.output import find_differing, write_generated
from resnet_gen.language.load import load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "generated"
PAGE = ROOT / "docs" / "pytorch.md"
PYTORCH = (
    "resnet18",
    "resnet50",
    "wide_resnet50_2",
    "resnext50_32x4d",
    "seresnet50",
    "resnet50d",
    "resnetv2_50",
    "preact110",
    "cifar-resnet20",
    "resnet8-digits",
    "regnet_y_400mf",
    "res2net50_26w_4s",
    "resnest50d",
    "skresnet18",
    "vgg16",
)
SOURCES = {
    "pytorch": PYTORCH,
    "flax": ("resnet50", "resnet8-digits", "vgg16"),
    "cpp": ("resnet50",),
    "triton": ("resnet50",),
    "card": ("resnet50",),
}
"""The specs of each target."""


def files() -> dict[str, str]:
    """Every file, by its path in `generated/`."""
    return {
        f"{spec}/{target}/{name}": text
        for target, specs in SOURCES.items()
        for spec in specs
        for name, text in generate_files(CodeSubject(load(spec)), target).items()
    }


def stale(wanted: Collection[str]) -> list[str]:
    """Files in the targets' folders that nothing generates."""
    there = {
        path.relative_to(FOLDER).as_posix() for t in SOURCES for path in FOLDER.glob(f"*/{t}/**/*") if path.is_file()
    }
    return sorted(there - set(wanted))


def page() -> str:
    """docs/pytorch.md with the source of ResNet-50 as it is generated."""
    text = PAGE.read_text(encoding="utf-8")
    (source,) = generate_files(CodeSubject(load("resnet50")), "pytorch").values()
    for name, shown in {"lines": str(len(source.splitlines())), "resnet50.py": f"\n```python\n{source}```\n"}.items():
        before, _, rest = text.partition(f"<!-- {name} -->")
        text = f"{before}<!-- {name} -->{shown}<!-- /{name} -->{rest.partition(f'<!-- /{name} -->')[2]}"
    return text


def refresh() -> None:
    """Write them all."""
    wanted = files()
    for name in stale(wanted):
        (FOLDER / name).unlink()
    write_generated(FOLDER, wanted, replace=True)
    PAGE.write_text(page(), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Refresh, or with `--check` tell what would change."""
    if "--check" not in arguments:
        refresh()
        return 0
    wanted = files()
    found = {**find_differing(FOLDER, wanted), **dict.fromkeys(stale(wanted), "nothing generates it")}
    for name, what in found.items():
        print(f"generated/{name}: {what}")
    print(f"{len(wanted)} files checked, {len(found)} to change", file=sys.stderr)
    return 1 if found or page() != PAGE.read_text(encoding="utf-8") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

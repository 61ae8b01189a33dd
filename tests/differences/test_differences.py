"""Each pair of networks here prints exactly what stands in its files; `make generated` rewrites them."""

import io
import os
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from resnet_gen.cli import cli

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAIRS = {
    "v1_and_v1.5": ("resnet50-v1", "resnet50"),
    "deeper": ("resnet50", "resnet101"),
    "wider_and_deeper": ("resnet50", "wide_resnet101_2"),
    "resnet_d": ("resnet50", "resnet50d"),
    "attention": ("resnet50", "seresnet50", "--for", "t4"),
    "other_blocks": ("resnet34", "resnet50"),
    "thousand_layers": ("preact1001", "cifar-resnet1202"),
    "another_naming": ("resnet50", "timm-resnet50"),
    "larger_input": ("resnet18", "--set", "input.size=320"),
    "several_keys": ("resnet18", "--set", "activation=silu", "--set", "norm.eps=1e-3", "--set", "head.classes=10"),
    "weight_standardization": ("resnetv2_50x1_bit", "--set", "weight_standardization=null"),
    "no_head": ("resnet18", "--set", "head=none", "--set", "outputs=[stage3,stage4]"),
}
ENDS = {"text": "txt", "markdown": "md"}
CASES = [(name, form) for name in PAIRS for form in ENDS]


def printed(name: str, form: str) -> str:
    """What a pair prints."""
    with redirect_stdout(io.StringIO()) as out:
        cli.main(["diff", *PAIRS[name], "--format", form], standalone_mode=False)
    return out.getvalue()


def refresh() -> None:
    """Rewrite every file with what is printed today; the diff is for reading."""
    os.chdir(ROOT)
    for name, form in CASES:
        (HERE / f"{name}.{ENDS[form]}").write_text(printed(name, form), encoding="utf-8")


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_pair_prints_what_stands_in_its_file(name, form):
    assert printed(name, form) == (HERE / f"{name}.{ENDS[form]}").read_text(encoding="utf-8")


def test_every_file_here_is_a_pair_s():
    files = {path.name for path in HERE.iterdir() if path.suffix in (".txt", ".md")}
    assert files == {f"{name}.{ENDS[form]}" for name, form in CASES}

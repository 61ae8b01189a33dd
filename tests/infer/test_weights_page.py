"""Weights that are not finite, and checkpoints of another scheme, as docs/weights.md says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from resnet_gen.cli import main
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.weights.initialization import SeededWeights
from tests.pages.scenes import drawn

PAGE = (Path(__file__).parents[2] / "docs" / "weights.md").read_text(encoding="utf-8")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two checkpoints in the working folder."""
    monkeypatch.chdir(tmp_path)
    drawn("regnet_y_400mf", "tv.pth")
    drawn("resnet18", "resnet18.pth")


def printed(command, capsys):
    with pytest.raises(SystemExit):
        main(command.split())
    out, err = capsys.readouterr()
    return out + err


@pytest.mark.filterwarnings("always")
def test_the_page_shows_the_warning_of_values_that_are_not_finite(files, capsys):
    graph = lower(load("resnet8-digits"))
    drawn = SeededWeights(graph)
    tensors = {n: drawn.rows(n, 0, t.shape[0]) for n, t in graph.state().items()}
    tensors["layer1.0.bn1.weight"][0] = np.nan
    np.savez("nan.npz", **tensors)
    (line,) = re.findall(r"```\n(warning: .*?)```", PAGE, re.DOTALL)
    assert printed("build resnet8-digits --weights nan.npz", capsys).endswith(line)


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("tensor", ["layer1.0.bn1.weight", "conv1.weight", "fc.weight", "fc.bias"])
def test_what_eight_bits_would_have_to_be_made_of_is_refused(tensor, files, capsys):
    graph = lower(load("resnet8-digits"))
    drawn = SeededWeights(graph)
    tensors = {n: drawn.rows(n, 0, t.shape[0]) for n, t in graph.state().items()}
    tensors[tensor].flat[0] = np.nan
    np.savez("nan.npz", **tensors)
    asked = "--precision int8 --qdq cpu --calibration random --calibration-images 4"
    text = printed(f"build resnet8-digits --weights nan.npz -o made {asked}", capsys)
    assert text.startswith(f"warning: nan.npz: 1 tensor with values that are not finite: '{tensor}'\n")
    assert "error: '" in text
    assert "not finite" in text.splitlines()[1]
    assert not Path("made").exists() or not list(Path("made").iterdir())


def test_a_checkpoint_in_another_scheme_is_refused_with_the_command_that_helps(files, capsys):
    printed("weights convert regnet_y_400mf tv.pth --to timm -o timm.npz", capsys)
    text = printed("build regnet_y_400mf --weights timm.npz", capsys)
    assert text.endswith(
        "timm.npz: error: and 652 more: 662 differences in all\n"
        "hint: its names are those of 'timm_regnet': weights convert --to torchvision_regnet changes them\n"
    )
    shutil.copy("resnet18.pth", "other.pth")
    text = printed("build resnet18 --set head.classes=10 --weights other.pth", capsys)
    assert text == (
        "other.pth: error: 'fc.weight' is 1000x512, not 10x512\n"
        "other.pth: error: 'fc.bias' is 1000, not 10\n"
        "hint: weights convert changes the number of classes and of input channels\n"
    )

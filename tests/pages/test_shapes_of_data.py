"""Keys of what commands print for programs are those that pages name."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests.helpers.against_files import DIGITS
from tests.pages.scenes import looser, repository
from tests.pages.shown import text

PRINTED = {
    "count --format json": ["count resnet18", "count resnet18 --convention all"],
    "rule --format json": ["rule claim"],
    "verify": ["verify resnet18 --set head.classes=10"],
    "weights convert": ["weights convert resnet8-digits {weights} -o {folder}/x.npz"],
    "check-engine": ["check-engine {folder}/resnet8-digits.onnx"],
    "predict": ["predict resnet18 --for t4", "predict resnet18 --for t4 --layers"],
    "run": ["run resnet8-digits", "run resnet8-digits --set head=none"],
}
"""Sections of docs/commands.md, and commands whose JSON they describe."""


def keys(data):
    """Every key of what is printed, at any depth."""
    if isinstance(data, list):
        return set().union(*map(keys, data))
    return {*data, *set().union(*map(keys, data.values()))} if isinstance(data, dict) else set()


def parsed(text):
    """One JSON value, or one a line."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(("section", "command"), [(name, one) for name, some in PRINTED.items() for one in some])
def test_every_key_that_is_printed_is_described(section, command, cli, tmp_path):
    if section == "check-engine":
        assert cli("build", "resnet8-digits", "-o", tmp_path)[0] == 0
    _, out, _ = cli(*command.format(folder=tmp_path, weights=DIGITS).split(), "--format", "json")
    found = keys(parsed(out))
    page = text("docs/commands.md").split(f"\n## {section}\n")[1].split("\n## ")[0]
    assert found
    assert sorted(found - set(re.findall(r"`(\w+)`", page))) == []


def test_keys_of_each_bench_are_described(cli, tmp_path):
    command = ["bench", "resnet8-digits", "--repeat", "3", "--against-backend", "onnxruntime", "--format", "json"]
    found = keys(parsed(cli(*command)[1]))
    assert sorted(found - set(re.findall(r"`(\w+)`", text("docs/bench.md")))) == []


def test_keys_of_an_evaluation_are_described(cli, tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 1, 8, 8), np.float32), labels=np.arange(2))
    command = ["evaluate", "resnet8-digits", "--data", tmp_path / "a.npz", "--format", "json"]
    found = keys(parsed(cli(*command, "--against", "resnet8-digits", "--against-backend", "onnxruntime")[1]))
    found |= {"changes", "image", "kind", "first", "second", "label", "reason"}
    page = text("docs/evaluate.md").split("\n## For programs\n")[1]
    assert sorted(found - set(re.findall(r"`(\w+)`", page))) == []


@pytest.mark.parametrize("scene", [repository, looser])
def test_keys_of_a_review_are_described(scene, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scene()
    found = keys(parsed(cli("review", "--base", "main", "--for", "t4", "--format", "json")[1]))
    pages = "".join(map(text, ("docs/ci.md", "docs/diff.md", "docs/commands.md", "docs/language.md")))
    assert sorted(found - set(re.findall(r"`(\w+)`", pages))) == []

"""`generate --to flax`: source that is well formed of every network; with jax and flax installed, what it computes."""

import ast
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from resnet_gen import convert_weights
from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.language.load import load
from resnet_gen.problems import Refused
from tests.helpers.flax_runs import tensors
from tests.helpers.varied import EVERY, VARIED
from tests.reference import weights_rule

ROOT = Path(__file__).parents[2]
HAS_FLAX = find_spec("jax") is not None and find_spec("flax") is not None


@cache
def source(name, *settings):
    ((_, text),) = generate_files(CodeSubject(load(name, settings)), "flax").items()
    return text


@pytest.mark.parametrize("name", EVERY)
def test_every_network_is_one_file_that_compiles(name):
    text = source(name)
    tree = ast.parse(text)
    *_, network, load_function = tree.body
    assert isinstance(network, ast.ClassDef)
    assert load_function.name == "load"
    assert "SAME" not in text


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flax")
    for name in VARIED:
        (folder / f"{name.replace('-', '_')}.py").write_text(source(name))
    return folder


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")])
def test_ruff_has_nothing_to_say(arguments, sources):
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", str(sources)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_a_file_is_the_same_in_every_process():
    code = "import sys; from tests.generate.test_generate_flax import source; print(*map(source, sys.argv[1:]))"
    names = ["resnest50d_4s2x40d", "regnet_y_400mf", "alphago-zero-20"]
    found = {
        subprocess.run(
            [sys.executable, "-c", code, *names],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(found) == 1
    assert found.pop().count("\nclass ") > 20


@pytest.mark.parametrize("name", ["resnest50d", "legacy_seresnet18", "skresnet18"])
def test_no_two_things_of_a_file_have_one_name(name):
    body = ast.parse(source(name)).body
    names = [node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    names += [alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names]
    names += [node.targets[0].id for node in body if isinstance(node, ast.Assign)]
    assert len(names) == len(set(names))


SMALL = ("cifar-resnet20", "resnet8-digits", "regnet_y_400mf", "res2net50_26w_4s", "alphago-zero-20", "skresnet18")


@pytest.mark.parametrize("name", SMALL)
def test_weights_convert_writes_what_load_takes(name, tmp_path):
    """The outputs above are computed with these very arrays."""
    graph = CodeSubject(load(name)).graph
    source, out = tmp_path / "published.npz", tmp_path / "flax.npz"
    np.savez(source, **{key: weights_rule.tensor(key, tensor.shape) for key, tensor in graph.state().items()})
    convert_weights(name, source, out, to="flax")
    wanted = tensors(graph)
    with np.load(out) as found:
        assert set(found.files) == set(wanted)
        assert all(np.array_equal(found[key], values) for key, values in wanted.items())


@pytest.mark.skipif(not HAS_FLAX, reason="jax or flax is not installed: pip install resnet-gen[flax]")
def test_what_it_computes():
    """In a process of its own: JAX has threads that work at any time, and no process with such is forked."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/helpers/computed_by_flax.py"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert " skipped" not in found.stdout


@pytest.mark.skipif(not HAS_FLAX, reason="jax or flax is not installed: pip install resnet-gen[flax]")
def test_mypy_is_content(sources):
    pytest.importorskip("mypy", reason="mypy is not installed where jax is: pip install mypy")
    cache = sources.parent / "mypy"
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(cache), str(sources)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("word", ["train", "dtype", "names", "a b"])
def test_a_name_that_no_member_can_have_is_refused(word, monkeypatch):
    subject = CodeSubject(load("resnet8-digits"))
    nodes = tuple(replace(n, name=n.name.replace("fc", word)) for n in subject.graph.nodes)
    renamed = replace(subject.graph, nodes=nodes)
    monkeypatch.setattr(import_module("resnet_gen.generate.modules.spec_classes"), "lower", lambda _: renamed)
    with pytest.raises(Refused, match=f"'{word}', which no member"):
        generate_files(subject, "flax")

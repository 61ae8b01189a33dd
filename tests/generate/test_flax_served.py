"""Generated Flax of what is served: source that is well formed; with jax and flax installed, what it computes."""

import ast
import subprocess
import sys

import pytest

from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.language.served_outputs import with_served_maps
from tests.generate.test_generate_flax import HAS_FLAX, ROOT
from tests.generate.test_torch_served import CASES, served
from tests.helpers.onnx_runs import TINY


def source(name):
    (text,) = generate_files(CodeSubject(served(name)), "flax").values()
    return text


@pytest.mark.parametrize("name", CASES)
def test_the_source_is_python_and_names_every_output(name):
    text = source(name)
    *_, last = ast.parse(text).body
    assert last.name == "ServedTiny"
    assert all(value.name in text for value in lower(with_served_maps(served(name))).outputs)


def test_ruff_has_nothing_to_say(tmp_path):
    for target in ("flax", "pytorch"):
        for name in CASES:
            (text,) = generate_files(CodeSubject(served(name)), target).values()
            (tmp_path / f"{target}_{name.replace(' ', '_')}.py").write_text(text)
    for arguments in (("check",), ("format", "--check")):
        command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", str(tmp_path)]
        found = subprocess.run(command, capture_output=True, text=True)
        assert found.returncode == 0, found.stdout


def test_a_spec_that_serves_nothing_has_no_such_class():
    (text,) = generate_files(CodeSubject(load(str(TINY))), "flax").values()
    assert "Served" not in text


@pytest.mark.skipif(not HAS_FLAX, reason="jax or flax is not installed: pip install resnet-gen[flax]")
def test_it_outputs_what_the_file_does():
    """In a process of its own, as JAX has threads that work at any time."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/helpers/served_by_flax.py"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert " skipped" not in found.stdout


@pytest.mark.skipif(not HAS_FLAX, reason="jax or flax is not installed: pip install resnet-gen[flax]")
def test_mypy_is_content(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed where jax is: pip install mypy")
    for name in CASES:
        (tmp_path / f"{name.replace(' ', '_')}.py").write_text(source(name))
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path / "mypy")]
    found = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout

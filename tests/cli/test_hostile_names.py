"""What files are called, and what they call things, is anybody's: nothing that is printed of it is obeyed.

Every command prints in every format what hostile files hold. No line has a character that a terminal obeys or that
shows nothing, and none begins with a workflow command of GitHub's but those that `--format github` writes.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file

import resnet_gen
from resnet_gen.infer.recovery import recover_spec
from resnet_gen.language.load import load
from resnet_gen.language.yaml_writer import dump
from resnet_gen.verify.rules import RULES
from tests.helpers.varied import spread

SEEN_AS_NOTHING = "\u202e\u2028\u2029\u200b\u3164\x85\x9b\x7f"
EVIL = f"\nmine\n::error::x\x1b]0;t\x07\x1b[31m\r{SEEN_AS_NOTHING}##[error]y\n  ::stop-commands::z\n"
FILES = ("::stop-commands::x", "  ::add-mask::y", "f" + EVIL.replace("/", "")[:60], "##[error]z", "-x", "a b")
"""What a file can be called."""
FINDINGS = ("text", "json", "junit", "sarif", "github")
COMPARED = ("text", "json", "markdown")
OURS = re.compile(r"::(error|warning) (file=[^:]*|title=[^:]*)::")
SPEC = "name: s\nextends: resnet8-digits\n"
GIT = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]


def obeyed(text, *, github=False):
    """The lines of what was printed that somebody would obey."""
    for line in text.split("\n"):
        command = line.lstrip().startswith("::") and not (github and OURS.match(line))
        if command or line.lstrip().startswith("mine") or "##[" in line or not line.isprintable() or "\u3164" in line:
            yield line


@pytest.fixture
def said(cli, tmp_path, monkeypatch):
    """Runs a command, and fails for what would be obeyed of what it says; returns exit code and both texts."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            code, out, err = cli(*arguments)
        assert code in (0, 1, 2)
        found = [*obeyed(out, github="github" in arguments), *obeyed(err)]
        assert not found, (arguments, found)
        return code, out, err

    return run


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    resnet_gen.emit_onnx("resnet8-digits", folder / "f.onnx")
    (folder / "f.safetensors").write_bytes(b"".join(recover_spec(folder / "f.onnx", None, weights=True).weights()))
    return folder


def renamed(model, names):
    """Another name wherever one of `names` stands in the graph."""
    for node in model.graph.node:
        for field in (node.input, node.output):
            field[:] = [names.get(name, name) for name in field]


def nodes(model):
    for node in model.graph.node:
        node.name = EVIL + node.name


def tensors(model):
    ends = {value.name for value in (*model.graph.input, *model.graph.output)}
    inner = {name for node in model.graph.node for name in node.output} - ends
    renamed(model, {name: EVIL + name for name in inner})


def weights(model):
    renamed(model, {tensor.name: EVIL + tensor.name for tensor in model.graph.initializer})
    for tensor in model.graph.initializer:
        tensor.name = EVIL + tensor.name


def ends(model):
    values = (*model.graph.input, *model.graph.output)
    renamed(model, {value.name: EVIL + value.name for value in values})
    for value in values:
        value.name = EVIL + value.name


def told(model):
    for place in (model, model.graph):
        place.doc_string = EVIL
    model.producer_name = model.producer_version = model.domain = model.graph.name = EVIL
    model.metadata_props.add(key=EVIL, value=EVIL)
    for entry in model.metadata_props:
        entry.value = EVIL


def operator(model):
    model.graph.node[4].op_type = EVIL


def domain(model):
    model.graph.node[4].domain = EVIL
    model.opset_import.add(domain=EVIL, version=1)


def attribute(model):
    model.graph.node[4].attribute.add(name=EVIL, type=3, s=EVIL.encode())


def auto_pad(model):
    model.graph.node[0].attribute.add(name="auto_pad", type=3, s=EVIL.encode())


def dimension(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = EVIL


def outside(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=EVIL)
    tensor.ClearField("raw_data")


CHANGES = (nodes, tensors, weights, ends, told, operator, domain, attribute, auto_pad, dimension, outside)


@pytest.mark.parametrize("change", spread(CHANGES, 6))
def test_names_in_an_onnx_file(said, base, tmp_path, change):
    model = onnx.load(base / "f.onnx")
    change(model)
    Path("f.onnx").write_bytes(model.SerializeToString())
    for form in ("yaml", "json"):
        said("import", "f.onnx", "--format", form)
    for form in COMPARED:
        said("diff", "resnet8-digits", "f.onnx", "--format", form)
        said("diff", "f.onnx", "cifar-resnet20", "--format", form)
    for form in FINDINGS:
        said("verify", "resnet8-digits", "--no-config", "--against", "f.onnx", "--format", form)
    for form in ("text", "json"):
        said("run", "f.onnx", "--format", form)
        said("check-engine", "f.onnx", "--format", form)
    said("bench", "f.onnx", "--repeat", "1")
    said("weights", "show", "f.onnx")


def torch_file(path, tensors):
    """A checkpoint as the converter writes it, with other names."""
    from resnet_gen.weights.formats.writing import FORMATS, tensor_data

    made = {name: tensor_data(t.shape, t.dtype, lambda t=t: t) for name, t in tensors.items()}
    path.write_bytes(b"".join(FORMATS[path.suffix](made)))


@pytest.mark.parametrize(
    ("suffix", "which"),
    spread(itertools.product([".safetensors", ".npz", ".pth"], ["not finite", "one", "more"]), 3),
)
def test_names_in_a_file_of_weights(said, base, suffix, which):
    held = load_file(base / "f.safetensors")
    first = next(iter(held))
    held[first] = held[first].copy()
    if which != "one":
        held[first].flat[0] = np.nan
    evil = EVIL.replace("/", "")
    names = {n: f"{evil}.{n}" if which == "not finite" or n == first else n for n in held}
    held = {names[n]: t for n, t in held.items()}
    if which == "more":
        held[evil + "x"] = np.zeros(3, np.float32)
    file = Path(f"w{suffix}")
    if suffix == ".safetensors":
        save_file(held, file)
    else:
        torch_file(file, held)
    for form in ("text", "json"):
        said("weights", "show", file, "--format", form)
        said("weights", "convert", "resnet8-digits", file, "-o", f"out-{form}.npz", "--format", form)
    said("import", file)
    said("run", "resnet8-digits", "--weights", file)
    said("build", "resnet8-digits", "--weights", file, "-o", "built")
    for form in FINDINGS:
        said(
            "verify", "resnet8-digits", "--no-config", "--against", base / "f.onnx", "--weights", file, "--format", form
        )


def of_a_spec(spec):
    """Every command that takes a spec, in every format."""
    for form in FINDINGS:
        yield ("verify", "--no-config", "--format", form, "--", spec)
    for form in COMPARED:
        yield ("diff", "--format", form, "--", "cifar-resnet20", spec)
    for command, form in itertools.product(("show", "count", "run"), ("text", "json")):
        yield (command, "--format", form, "--", spec)
    yield ("show", "--resolved", "--", spec)
    yield ("count", "--convention", "all", "--", spec)
    yield ("predict", "--for", "t4", "--", spec)
    yield ("lock", "--no-config", "--", spec)
    yield ("lock", "--no-config", "--check", "--", spec)
    for target in ("report", "onnx"):
        yield ("build", "--target", target, "-o", "built", "--", spec)
    for to in ("pytorch", "card"):
        yield ("generate", "--to", to, "-o", "made", "--", spec)
        yield ("generate", "--to", to, "-o", "made", "--check", "--", spec)
    yield ("weights", "show", "--", spec)


@pytest.mark.parametrize(
    ("name", "text"),
    spread(
        itertools.product(
            FILES, [SPEC, f"{SPEC}nrom: batch\n", f"{SPEC}claims:\n- {{what: params, value: 3, source: s}}\n"]
        ),
        7,
    ),
    ids=range(3 * len(FILES)),
)
def test_a_spec_s_own_name(said, name, text):
    spec = f"{name}.yaml"
    Path(spec).write_text(text)
    for arguments in of_a_spec(spec):
        said(*arguments)


@pytest.mark.parametrize("name", FILES, ids=range(len(FILES)))
def test_words_that_are_no_options(said, name):
    """A glob in the shell makes words of names."""
    for command in ("verify", "show", "count", "diff", "lock"):
        assert said(command, f"--{name}")[0] == 2
        assert said(command, "--format", name)[0] == 2
    assert said(name)[0] == 2


LEAVES = [
    loc
    for loc in load("resnet50").source.marks
    if loc and not any(isinstance(step, int) for step in loc) and loc[0] not in ("deviations",)
]


@pytest.mark.parametrize("loc", LEAVES, ids=lambda loc: ".".join(loc))
def test_values_and_keys_of_a_spec(said, loc):
    for key, value in ((loc[-1], EVIL), (EVIL, 1)):
        data = {"name": "s", "extends": "resnet8-digits"}
        inner = data
        for step in loc[:-1]:
            inner = inner[step] = dict(inner.get(step, {})) if isinstance(inner.get(step), dict) else {}
        inner[key] = value
        Path("s.yaml").write_text(dump(data))
        for form in FINDINGS:
            said("verify", "s.yaml", "--no-config", "--format", form)
        said("show", "s.yaml", "--resolved")


def test_values_of_settings(said):
    for setting in (f"title={EVIL}", f"{EVIL}=1", f'title="{EVIL!r}"', EVIL):
        for form in FINDINGS:
            said("verify", "resnet8-digits", "--no-config", "--format", form, "--set", setting)
        said("show", "resnet8-digits", "--resolved", "--set", setting)


TOML = json.dumps(EVIL).replace("\\u007f", "\\u007F")
PROJECTS = (
    f"specs = [{TOML}]", f"specs = ['s.yaml']\nignore = [{TOML}]", f"{TOML} = 1", f"lock = {TOML}",
    f"specs = ['s.yaml']\n[budgets.{TOML}]\nparams = {{max = 1}}", f"specs = ['s.yaml']\n[budgets.'*']\n{TOML} = 3",
    f"specs = ['s.yaml']\n[budgets.'*']\nlatency = [{{device = {TOML}, ms = 1}}]", f"specs = ['s.yaml']\nx = {EVIL}",
)  # fmt: skip


@pytest.mark.parametrize("text", PROJECTS, ids=range(len(PROJECTS)))
@pytest.mark.parametrize("file", ["resnet-gen.toml", "::error::x.toml"])
def test_a_project_file(said, text, file):
    Path("s.yaml").write_text(SPEC)
    Path(file).write_text(text, newline="")
    for form in FINDINGS:
        said("verify", "--config", file, "--format", form)
    said("lock", "--config", file)


def test_a_lock(said):
    Path("s.yaml").write_text(SPEC)
    said("lock", "s.yaml")
    lock = Path("resnet-gen.lock").read_text()
    for old in ("s.yaml", '"s"', "params", lock.split("sha256")[1][:20] if "sha256" in lock else "stem"):
        evil = json.dumps(EVIL)[1:-1] if not old.startswith('"') else json.dumps(EVIL)
        for name in ("resnet-gen.lock", "::error::x.lock"):
            Path(name).write_text(lock.replace(old, evil))
            for arguments in (("--check",), ("--check", "s.yaml"), ()):
                said("lock", "--lock", name, *arguments)


def test_a_manifest(said):
    said("build", "resnet8-digits", "-o", "built")
    manifest = next(Path("built").glob("*.json"))
    data = json.loads(manifest.read_text())
    for key in data:
        manifest.write_text(json.dumps({**data, key: EVIL, EVIL: EVIL}))
        model = next(Path("built").glob("*.onnx"))
        for form in ("text", "json"):
            said("check-engine", model, "--spec", "resnet8-digits", "--format", form)
        said("generate", "resnet8-digits", "--to", "card", "--build", "built", "-o", "card", "--force")
        said("build", "resnet8-digits", "-o", "built")


@pytest.mark.parametrize("name", FILES, ids=range(len(FILES)))
def test_a_device(said, name):
    shipped = Path(load("resnet50").path).parents[1] / "targets/t4.yaml"
    for old, new in (("", ""), ("name: t4", f"name: {json.dumps(EVIL)}"), ("title:", f"title: {json.dumps(EVIL)} #")):
        Path(f"{name}.yaml").write_text(shipped.read_text().replace(old, new) if old else shipped.read_text())
        for form in ("text", "json"):
            said("predict", "resnet8-digits", "--format", form, f"--for=./{name}.yaml")
        for form in COMPARED:
            said("diff", "resnet8-digits", "cifar-resnet20", "--format", form, f"--for=./{name}.yaml")


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_revisions_and_names_in_a_repository(said, tmp_path):
    def git(*words):
        subprocess.run([*GIT, *words], check=True, capture_output=True)

    git("init", "-q")
    Path("resnet-gen.toml").write_text('specs = ["*.yaml"]\n')
    for index, name in enumerate(FILES):
        Path(f"{name}.yaml").write_text(SPEC.replace("name: s", f"name: s{index}"))
    git("add", "-A")
    git("commit", "-q", "-m", EVIL)
    branches = ("::error::x", "a\u202eb", "\u200b", "##[error]y")
    taken = []
    for branch in branches:
        made = subprocess.run(["git", "branch", "--", branch], capture_output=True)
        taken += [] if made.returncode else [branch]
    for index, name in enumerate(FILES):
        Path(f"{name}.yaml").write_text(SPEC.replace("name: s", f"name: s{index}") + "activation: silu\n")
    for branch in (*branches, "HEAD", EVIL):
        for form in COMPARED:
            said("review", f"--base={branch}", "--format", form)
            for name in FILES:
                said("diff", "--format", form, "--", f"{branch}:{name}.yaml", f"./{name}.yaml")
    assert taken


RAISES = f"""import os, sys, warnings
warnings.warn({EVIL!r})
raise ValueError({EVIL!r})
"""
CALLED = f"""from typing import ClassVar, Literal
from resnet_gen.parts.base import ActivationPart
class Evil(ActivationPart):
    kind: Literal[{EVIL!r}] = {EVIL!r}
"""


@pytest.mark.parametrize(
    ("name", "text", "form"),
    spread(itertools.product((FILES[0], FILES[2]), (RAISES, CALLED, "def", "x = 1\n", EVIL), FINDINGS), 5),
    ids=range(50),
)
def test_parts(said, name, text, form):
    Path(f"{name}.py").write_text(text)
    Path("s.yaml").write_text(SPEC + f"parts: [{json.dumps(name + '.py')}]\n")
    assert said("verify", "--no-config", "--format", form, "s.yaml")[0] == 2
    assert said("show", "s.yaml")[0] == 2


def test_explanations_and_lists(said):
    for form in ("text", "json"):
        for arguments in (("rule",), ("targets",), *(("rule", name) for name in RULES)):
            said(*arguments, "--format", form)


def test_files_that_are_written(said, tmp_path):
    """As on stdout: a later step may print them."""
    name = FILES[2]
    Path(f"{name}.yaml").write_text(f"{SPEC}claims:\n- {{what: params, value: 3, source: s}}\n")
    for form in FINDINGS:
        said("verify", "--no-config", "--format", form, "-o", f"v.{form}", "--", f"{name}.yaml")
        assert not [*obeyed(Path(f"v.{form}").read_text(), github=True)]
    for form in COMPARED:
        said("diff", "--format", form, "-o", f"d.{form}", "--", "resnet18", f"./{name}.yaml")
        assert not [*obeyed(Path(f"d.{form}").read_text())]


def test_the_pytest_plugin(tmp_path):
    for index, name in enumerate(FILES[:2]):
        text = SPEC.replace("name: s", f"name: s{index}") + "claims:\n- {what: params, value: 3, source: s}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--resnet-gen-specs", "*.yaml", "."]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "400"})
    assert result.returncode == 1
    assert "3 is claimed" in result.stdout
    assert not [*obeyed(result.stdout)]

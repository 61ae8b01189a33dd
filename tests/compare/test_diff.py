"""`diff` on the command line: what its sides may be, what it exits with, and what it refuses."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from resnet_gen.build.build import build
from resnet_gen.build.request import Request
from resnet_gen.compare.difference.git import Git
from resnet_gen.compare.difference.revision import Revision, parse_revision
from resnet_gen.language.load import load

ROOT = Path(__file__).parents[2]
SPEC = """\
name: mine
extends: base.yaml
stages: {block: {kind: widened, by: 2}}
"""
BASE = """\
name: base
parts: [parts/widened.py]
input: {size: 32}
stem: {kind: conv3x3, width: 8}
stages: {depths: [1, 2], widths: [8, 16], block: basic, shortcut: projection}
head: {kind: linear, classes: 10}
"""
PART = '''\
"""Two convolutions, wider inside."""

from typing import Literal

from pydantic import Field

from resnet_gen.parts.base import Block


class Widened(Block):
    """Wider (see docs/language.md)."""

    kind: Literal["widened"] = "widened"
    by: int = Field(2, ge=1, le=4, description="How much.")

    def build(self, net, x, place, using):
        y = using.conv_norm_act(net, "1", x, place.width * self.by, kernel=3, stride=place.stride)
        y = using.conv_norm(net, "2", y, place.width, kernel=3)
        return using.shortcut.join(net, x, y, place=place, using=using)
'''
GIT = shutil.which("git")
needs_git = pytest.mark.skipif(GIT is None, reason="git is not installed")


def diff(folder, *arguments, **environment):
    """`diff` in a process of its own, as imported parts stay for good: exit code, stdout, stderr."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command = [sys.executable, "-m", "resnet_gen", "diff", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def here(monkeypatch, cli):
    """The same in this process, where no parts are run."""

    def run(folder, *arguments, **environment):
        monkeypatch.chdir(folder)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return cli("diff", *arguments)

    return run


def git(folder, *arguments):
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run([GIT, *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path):
    """A repository with a spec below `nets`, its parent and its part, committed, and then a larger one in the files."""
    nets = tmp_path / "nets"
    (nets / "parts").mkdir(parents=True)
    (nets / "mine.yaml").write_text(SPEC)
    (nets / "base.yaml").write_text(BASE)
    (nets / "parts" / "widened.py").write_text(PART)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (nets / "base.yaml").write_text(BASE.replace("[1, 2]", "[1, 3]"))
    (nets / "parts" / "widened.py").write_text(PART.replace("kernel=3)", "kernel=5)"))
    return tmp_path


def everything(folder):
    """Every file of a folder but what git keeps for itself beside its objects, and its bytes."""
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# --- the line that this was made for ------------------------------------------


def test_v1_and_v1_5_differ_in_three_moved_strides():
    code, out, err = diff(ROOT, "resnet50-v1", "resnet50")
    assert (code, err) == (1, "")
    assert out.splitlines()[0] == (
        "resnet50-v1 -> resnet50: 3 strides moved from conv1 to conv2; MACs +231,211,008 (+5.99 %)"
    )


def test_json_has_the_keys_that_differ_and_the_comments_that_excuse(here, tmp_path):
    text = "name: net\nextends: resnet18\n"
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(
        f"{text}# resnet-gen: ignore[reference-count] other counts\nreference: torchvision/resnet34\n"
    )
    _, out, _ = here(tmp_path, "a.yaml", "b.yaml", "--format", "json")
    found = {key["key"]: key for key in json.loads(out)["keys"]}
    assert found["reference"] == {
        "key": "reference",
        "before": None,
        "after": "torchvision/resnet34",
        "loosened": False,
    }
    (excused,) = (key for name, key in found.items() if name.startswith("suppressions"))
    assert excused["loosened"]
    assert excused["after"] == {
        "rule": "reference-count",
        "line": "reference: torchvision/resnet34",
        "reason": "other counts",
    }


def test_a_headline_names_three_keys_of_many_and_titles_change_nothing(here, tmp_path):
    (tmp_path / "a.yaml").write_text("name: net\nextends: resnet18\n")
    (tmp_path / "b.yaml").write_text("name: net\nextends: resnet18\ntitle: Another title\n")
    keys = (
        "input: {mean: [0, 0, 0], std: [1, 1, 1], crop: 0.5}\n"
        "quantization: {keep: [stem]}\nbudgets: {params: {max: 1000000000}}\n"
    )
    (tmp_path / "c.yaml").write_text(f"name: net\nextends: resnet18\n{keys}")
    code, out, _ = here(tmp_path, "a.yaml", "b.yaml", "--format", "json")
    found = json.loads(out)
    assert (code, found["identical"], found["zero_biases"]) == (0, True, 0)
    code, out, _ = here(tmp_path, "a.yaml", "c.yaml", "--format", "json")
    found = json.loads(out)
    assert (code, found["identical"]) == (1, False)
    assert found["headline"].endswith("; input.crop, input.mean, input.std and 2 more keys differ")


def test_json_has_everything_and_stable_keys(here):
    code, out, _ = here(ROOT, "resnet50-v1", "resnet50", "--format", "json", "--for", "t4")
    found = json.loads(out)
    assert code == 1
    wanted = "same identical headline loosened summary before after counts latency folded zero_biases notes stages keys"
    assert list(found) == [*wanted.split(), "changes", "outputs_changed", "renamed"]
    assert found["counts"]["macs"] == {"before": 3857973248, "after": 4089184256, "difference": 231211008}
    assert found["summary"] == ["3 strides moved from conv1 to conv2"]
    assert [change["layer"] for change in found["changes"] if change["change"] == "changed"] == [
        f"layer{stage}.0.conv{number}" for stage in (2, 3, 4) for number in (1, 2)
    ]
    assert found["changes"][0] == {
        "change": "changed",
        "layer": "layer2.0.conv1",
        "path": "stages.1.0.conv1",
        "before": {"name": "layer2.0.conv1", "operation": "Conv", "role": "main",
                   "inputs": [[256, 56, 56]], "output": [128, 28, 28]},
        "after": {"name": "layer2.0.conv1", "operation": "Conv", "role": "main",
                  "inputs": [[256, 56, 56]], "output": [128, 56, 56]},
        "settings": {"stride": [2, 1]},
        "difference": {"params": 0, "buffers": 0, "macs": 77070336, "activations": 301056},
    }  # fmt: skip
    latency = found["latency"]
    assert (latency["device"], latency["precision"], latency["batch"]) == ("t4", "fp16", 1)
    assert 0 < latency["before"] < latency["after"]


@pytest.mark.parametrize(("before", "after"), [((2, 2), (3, 1)), ((3, 1), (2, 2))])
def test_blocks_that_come_and_go_are_counted(here, tmp_path, before, after):
    """A block less than the stage had is gone, and its last is none that changed."""
    for name, depths in (("a", before), ("b", after)):
        text = f"name: {name}\nextends: resnet8-digits\nstages: {{depths: {list(depths)}, widths: [8, 16]}}\n"
        (tmp_path / f"{name}.yaml").write_text(text.replace("widths", "strides: [1, 2], widths"))
    code, out, err = here(tmp_path, "a.yaml", "b.yaml", "--format", "json")
    assert code == 1, err
    for stage, one, other in zip(json.loads(out)["stages"], before, after, strict=True):
        assert stage["blocks_added"] - stage["blocks_removed"] == other - one
        assert min(stage["blocks_added"], stage["blocks_removed"]) == 0


def test_keys_of_the_page_are_those_of_the_data(here):
    page = (ROOT / "docs" / "diff.md").read_text(encoding="utf-8")
    found = json.loads(here(ROOT, "resnet18", "resnet34", "--format", "json")[1])
    keys = {*found, *found["before"], *found["stages"][0], *found["stages"][0]["after"], *found["changes"][0]}
    keys |= {*found["changes"][0]["after"], *found["counts"], *found["changes"][0]["difference"]}
    assert sorted(key for key in keys if f"`{key}`" not in page) == []


def test_the_same_exits_with_0_and_another_with_1(here, tmp_path):
    assert here(ROOT, "resnet18", "resnet18") == (0, "resnet18 -> resnet18: the same architecture\n", "")
    code, out, _ = here(ROOT, "resnet50", "timm-resnet50")
    assert code == 1
    assert out.startswith("resnet50 -> timm-resnet50: the same architecture; 50 names differ; naming differs\n")
    file = tmp_path / "out.md"
    assert here(ROOT, "resnet18", "resnet34", "--format", "markdown", "-o", file) == (1, f"{file}\n", "")
    assert file.read_text() == here(ROOT, "resnet18", "resnet34", "--format", "markdown")[1]


def test_set_changes_the_second_of_one_and_each_of_two(here):
    code, out, _ = here(ROOT, "resnet18", "--set", "head.classes=10")
    assert code == 1
    assert out.startswith("resnet18 -> resnet18 --set head.classes=10: 1,000 -> 10 classes; ")
    assert here(ROOT, "resnet18", "resnet18", "--set", "head.classes=10")[0] == 0


# --- revisions ------------------------------------------------------------------


@needs_git
def test_a_revision_has_its_own_parent_and_parts(project):
    before = everything(project)
    code, out, err = diff(project, "main:nets/mine.yaml", "nets/mine.yaml")
    assert code == 1
    assert out.startswith(
        "main:nets/mine.yaml -> nets/mine.yaml: 1 block added to stage 2; kernel 3 -> 5 in 3 convolutions; params "
    )
    assert err == (
        "main:nets/base.yaml:2:9: warning: the Python code in 'main:nets/parts/widened.py' is run\n"
        "   2 | parts: [parts/widened.py]\n"
        "               ^^^^^^^^^^^^^^^^\n"
        "nets/base.yaml:2:9: warning: the Python code in 'nets/parts/widened.py' is run\n"
        "   2 | parts: [parts/widened.py]\n"
        "               ^^^^^^^^^^^^^^^^\n"
    )
    assert everything(project) == before


@needs_git
@pytest.mark.parametrize(
    "side", ["HEAD:./mine.yaml", "HEAD:../nets/mine.yaml", "main@{0}:nets/mine.yaml", ":./mine.yaml"]
)
def test_paths_are_the_repository_s_or_with_a_dot_the_folder_s(project, side):
    code, _, err = diff(project / "nets", side, "HEAD:nets/mine.yaml")
    assert (code, err.count("warning")) == (0, 2)


@needs_git
def test_what_is_staged_is_a_revision_too(project):
    git(project, "add", ".")
    (project / "nets" / "mine.yaml").write_text("changed: since\n")
    code, out, _ = diff(project, "HEAD:nets/mine.yaml", ":nets/mine.yaml")
    assert code == 1
    assert out.startswith("HEAD:nets/mine.yaml -> :nets/mine.yaml: 1 block added to stage 2; kernel 3 -> 5 in ")


@needs_git
def test_parts_of_one_revision_are_unknown_to_the_other(project):
    (project / "nets" / "alone.yaml").write_text(
        BASE.replace("parts: [parts/widened.py]\n", "").replace("basic", "widened")
    )
    code, _, err = diff(project, "main:nets/mine.yaml", "nets/alone.yaml")
    assert code == 2
    assert "nets/alone.yaml:4:50: error: stages.block: there is no 'widened' here" in err


@needs_git
def test_faults_of_a_revision_are_shown_where_they_are_there(project):
    (project / "nets" / "mine.yaml").write_text(SPEC.replace("by", "bye"))
    git(project, "commit", "-qam", "second")
    code, out, err = diff(project, "HEAD~1:nets/mine.yaml", "HEAD:nets/mine.yaml")
    assert (code, out) == (2, "")
    assert err.endswith(
        "HEAD:nets/mine.yaml:3:33: error: stages.block.bye: unknown key\n"
        "   3 | stages: {block: {kind: widened, bye: 2}}\n"
        "                                       ^^^\n"
        "hint: did you mean 'by'? known: by, kind\n"
    )


REFUSED = {
    "mian:nets/mine.yaml": "mian:nets/mine.yaml: error: git knows no revision 'mian'\nhint: did you mean 'main'?\n",
    "HEAD~7:nets/mine.yaml": "HEAD~7:nets/mine.yaml: error: git knows no revision 'HEAD~7'\n",
    "HEAD:nets/yours.yaml": "HEAD:nets/yours.yaml: error: there is no 'nets/yours.yaml' there\n",
    "HEAD:nets": "HEAD:nets: error: 'nets' is no file there\n",
    "HEAD:": "HEAD:: error: '' is no path of the repository\n"
    "hint: write it from the repository's root, or with './' from here\n",
    "HEAD:../mine.yaml": "HEAD:../mine.yaml: error: '../mine.yaml' is no path of the repository\n"
    "hint: write it from the repository's root, or with './' from here\n",
    "HEAD:/etc/mine.yaml": "HEAD:/etc/mine.yaml: error: '/etc/mine.yaml' is no path of the repository\n"
    "hint: write it from the repository's root, or with './' from here\n",
    "HEAD:nets/mine.onnx": "HEAD:nets/mine.onnx: error: only specs are read from a revision\n"
    "hint: git show HEAD:nets/mine.onnx > FILE.onnx, and give that file\n",
    "mine.engine": "mine.engine: error: an engine does not say what it computes\n"
    "hint: give the ONNX file that it was built from\n",
    "mine.onnx": "mine.onnx: error: cannot be read: No such file or directory\n",
    "resnet5": "error: there is no spec 'resnet5'\nhint: did you mean 'resnet50'?\n",
}


@needs_git
@pytest.mark.parametrize("side", REFUSED)
def test_a_side_that_is_none_is_refused_with_its_whole_message(here, project, side):
    assert here(project, "resnet18", side) == (2, "", REFUSED[side])


@needs_git
def test_a_path_from_the_folder_is_suggested(here, project):
    code, _, err = here(project / "nets", "HEAD:mine.yaml", "resnet18")
    assert code == 2
    assert err == (
        "HEAD:mine.yaml: error: there is no 'mine.yaml' there\n"
        "hint: paths are from the repository's root: did you mean 'HEAD:./mine.yaml'?\n"
    )


@needs_git
def test_a_folder_without_a_repository_is_refused(here, tmp_path):
    code, _, err = here(tmp_path, "HEAD:mine.yaml", "resnet18", GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert code == 2
    assert err == (
        "HEAD:mine.yaml: error: this folder is in no git repository\nhint: call it from inside the repository\n"
    )


def test_without_git_a_revision_is_refused_and_all_else_works(tmp_path):
    code, _, err = diff(tmp_path, "HEAD:mine.yaml", "resnet18", PATH=str(tmp_path))
    assert code == 2
    assert err == (
        "HEAD:mine.yaml: error: git is not installed, which reads revisions\n"
        "hint: for a file whose name has a colon, write its path as './a:b.yaml'\n"
    )
    assert diff(tmp_path, "resnet18", "resnet18", PATH=str(tmp_path))[0] == 0


@needs_git
def test_a_repository_of_another_user_is_refused(here, project):
    code, _, err = here(project, "HEAD:nets/mine.yaml", "resnet18", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert code == 2
    assert err == (
        "HEAD:nets/mine.yaml: error: git does not read this repository, which belongs to another user\n"
        "hint: if you trust it: git config --global --add safe.directory, with the repository's path\n"
    )


@needs_git
def test_a_shallow_clone_says_how_to_get_the_rest(here, project, tmp_path_factory):
    clone = tmp_path_factory.mktemp("clones") / "shallow"
    git(project, "commit", "-qam", "second")
    git(project, "clone", "-q", "--depth", "1", f"file://{project}", str(clone))
    code, _, err = here(clone, "HEAD~1:nets/mine.yaml", "resnet18")
    assert code == 2
    assert err == (
        "HEAD~1:nets/mine.yaml: error: git knows no revision 'HEAD~1'\n"
        "hint: this clone is shallow: `git fetch --unshallow origin '+refs/heads/*:refs/remotes/origin/*'`\n"
    )
    hint = err.splitlines()[1].split("`")[1]
    subprocess.run(["/bin/sh", "-c", hint], cwd=clone, check=True, capture_output=True)
    assert diff(clone, "HEAD~1:nets/mine.yaml", "resnet18")[0] == 1


@needs_git
def test_links_of_a_revision_are_followed(project):
    (project / "nets" / "link.yaml").symlink_to("../nets/again.yaml")
    (project / "nets" / "again.yaml").symlink_to("mine.yaml")
    (project / "nets" / "round.yaml").symlink_to("round.yaml")
    (project / "nets" / "out.yaml").symlink_to("../../x.yaml")
    git(project, "add", "-A")
    assert diff(project, ":nets/link.yaml", "nets/mine.yaml")[0] == 0
    git(project, "commit", "-qm", "links")
    assert diff(project, "HEAD:nets/link.yaml", ":nets/mine.yaml")[0] == 0
    assert diff(project / "nets", "HEAD:./link.yaml", ":./mine.yaml")[0] == 0
    for name, words in (("round", "a circle of links"), ("out", "x.yaml' is no path of the repository")):
        code, _, err = diff(project, f"HEAD:nets/{name}.yaml", "resnet18")
        assert (code, words in err) == (2, True), err


@needs_git
@pytest.mark.parametrize("name", ["../../outside.yaml", "/outside.yaml"])
def test_a_parent_outside_the_repository_is_refused(here, project, name):
    (project / "nets" / "mine.yaml").write_text(SPEC.replace("base.yaml", name))
    git(project, "commit", "-qam", "second")
    code, _, err = here(project, "HEAD:nets/mine.yaml", "resnet18")
    assert code == 2
    assert err.startswith(f"HEAD:nets/mine.yaml:2:10: error: '{Path('nets', name) if '..' in name else name}' is no ")


@needs_git
def test_a_parent_that_the_revision_lacks_is_refused_though_the_folder_has_it(here, project):
    git(project, "rm", "-q", "--cached", "nets/base.yaml")
    git(project, "commit", "-qm", "second")
    code, _, err = here(project, "HEAD:nets/mine.yaml", "resnet18")
    assert code == 2
    assert err.startswith("HEAD:nets/mine.yaml:2:10: error: extends: there is no file 'base.yaml' beside this one\n")


@needs_git
def test_what_is_too_large_for_a_spec_is_not_read(here, project):
    (project / "nets" / "mine.yaml").write_text("#" * 3_000_000)
    git(project, "commit", "-qam", "second")
    code, _, err = here(project, "HEAD:nets/mine.yaml", "resnet18")
    assert code == 2
    assert err.startswith("HEAD:nets/mine.yaml: error: ")


@needs_git
@pytest.mark.parametrize("kind", ["parents", "parts"])
def test_a_revision_is_asked_for_no_more_than_a_spec_may_name(here, project, monkeypatch, kind):
    """1,100 specs that extend one another, and 3,000 files of parts, take a few processes of git and a refusal."""
    if kind == "parents":
        for number in range(1_100):
            (project / f"nets/n{number}.yaml").write_text(f"name: n{number}\nextends: n{number + 1}.yaml\n")
        words = "more than 16 parents"
    else:
        names = [f"p{number}.py" for number in range(3_000)]
        for name in names:
            (project / "nets" / name).write_text("")
        (project / "nets/n0.yaml").write_text(f"name: n0\nextends: resnet18\nparts: [{', '.join(names)}]\n")
        words = "more than 64 files"
    git(project, "add", "-A")
    git(project, "commit", "-qm", "many")
    asked = []
    run = Git._run
    monkeypatch.setattr(Git, "_run", lambda self, *words: asked.append(words) or run(self, *words))
    code, _, err = here(project, "HEAD:nets/n0.yaml", "resnet18")
    assert (code, words in err) == (2, True)
    assert len(asked) < 60


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("main:a/b.yaml", ("main", "a/b.yaml")),
        ("HEAD@{2024-01-01 12:30}:a.yaml", ("HEAD@{2024-01-01 12:30}", "a.yaml")),
        (":a.yaml", ("", "a.yaml")),
        ("a:b:c.yaml", ("a", "b:c.yaml")),
        ("C:/nets/a.yaml", None),
        ("C:\\nets\\a.yaml", None),
        ("c:a.yaml", ("c", "a.yaml")),
        ("-x:a.yaml", None),
        ("a.yaml", None),
    ],
)
def test_where_a_revision_ends(text, found):
    assert parse_revision(text) == (Revision(*found) if found else None)


def test_a_file_whose_name_has_a_colon_is_one_by_its_path_alone(here, tmp_path):
    shutil.copy(ROOT / "specs" / "cifar" / "cifar-resnet20.yaml", tmp_path / "a:b.yaml")
    assert here(tmp_path, "./a:b.yaml", "cifar-resnet20")[0] == 0
    code, _, err = here(tmp_path, "a:b.yaml", "cifar-resnet20", GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert code == 2
    assert err.endswith("hint: for a file whose name has a colon, write its path as './a:b.yaml'\n")


# --- ONNX files -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cifar-resnet20", "seresnet18", "cifar-resnet110", "resnet8-digits"])
@pytest.mark.parametrize("fold", [False, True])
def test_a_network_is_its_own_file(here, tmp_path, name, fold):
    file, _ = build(load(name), Request(fold=fold), tmp_path)
    code, out, _ = here(tmp_path, name, file.name)
    folded = "; .* batch norms folded in the second" if fold else ""
    assert code == 0
    assert re.fullmatch(f"{name} -> {name}.onnx: the same architecture{folded}\n", out)


def test_biases_of_zero_that_an_exporter_left_out_make_no_difference(tmp_path, here):
    """As torch.onnx.export(dynamo=True) writes a network that was never trained."""
    file, _ = build(load("cifar-resnet20"), Request(fold=True), tmp_path)
    model = onnx.load(file)
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    for node in convs:
        del node.input[2]
    onnx.save(model, file)
    code, out, _ = here(tmp_path, "cifar-resnet20", file.name)
    assert (code, out) == (
        0,
        "cifar-resnet20 -> cifar-resnet20.onnx: the same architecture; 19 batch norms folded in the second; "
        "19 of its biases left out, which are zero\n",
    )
    convs[3].input.append(next(t.name for t in model.graph.initializer if t.dims == [16]))
    onnx.save(model, file)
    code, out, _ = here(tmp_path, "cifar-resnet20", file.name)
    assert code == 1
    assert out.startswith("cifar-resnet20 -> cifar-resnet20.onnx: bias yes -> no in 18 convolutions; params -672 ")


def test_a_file_that_differs_is_told_by_its_names(here, tmp_path):
    file, _ = build(load("cifar-resnet20", ["stages.depths=[3,4,3]"]), Request(fold=True), tmp_path)
    code, out, _ = here(tmp_path, "cifar-resnet20", file.name)
    assert code == 1
    assert out.startswith(
        "cifar-resnet20 -> cifar-resnet20.onnx: 1 block added to stage 2; params +18,496 (+6.87 %), MACs +4,718,592 "
    )
    assert "\n+  [3x3, 32; 3x3, 32]  layer2.3\n" in out
    assert "\nnote: 19 batch norms folded in the second\n" in out


def without_norms(file, numbers, *, biases=False):
    """The file with some of its batch norms cut out, a bias left in their place if `biases`."""
    model = onnx.load(file)
    graph, norms = model.graph, [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    for norm in (norms[number] for number in numbers):
        conv = next(node for node in graph.node if norm.input[0] in node.output)
        if biases:
            conv.input.append(norm.input[2])
        conv.output[0] = norm.output[0]
        graph.node.remove(norm)
    onnx.save(model, file)


def test_unequal_numbers_of_norms_are_no_folding(here, tmp_path):
    """Blocks have norms of their own, and a norm that a file lacks is one that it lacks."""
    file, _ = build(load("cifar-resnet20"), Request(), tmp_path)
    changes = f"6 blocks %s ({', '.join(f'2 in stage {number}' for number in (1, 2, 3))})"
    for names, told in (((file.name, "cifar-resnet32"), "added"), (("cifar-resnet32", file.name), "removed")):
        _, out, _ = here(tmp_path, *names)
        assert f": {changes % told}; params " in out.splitlines()[0]
        assert f"{'+' if told == 'added' else '-'}194,432" in out.splitlines()[0], "as spec against spec"
        assert "folded" not in out
    without_norms(file, [3])
    _, out, _ = here(tmp_path, file.name, "cifar-resnet20")
    assert out.startswith("cifar-resnet20.onnx -> cifar-resnet20: 1 batch norm added (layer1.1.bn1); params +32 ")
    assert "folded" not in out


def test_norms_of_another_kind_were_not_folded(here, tmp_path):
    file, _ = build(load("resnet18", ["norm={kind: group, groups: 8}", "input.size=32"]), Request(), tmp_path)
    _, out, _ = here(tmp_path, file.name, "resnet18", "--set", "input.size=32")
    assert ": group norm -> batch norm everywhere (20); params " in out.splitlines()[0]
    assert "folded" not in out


def test_norms_of_which_a_file_has_folded_some_are_folded(here, tmp_path):
    file, _ = build(load("cifar-resnet20"), Request(), tmp_path)
    without_norms(file, range(5), biases=True)
    for names, which in (((file.name, "cifar-resnet20"), "first"), (("cifar-resnet20", file.name), "second")):
        code, out, _ = here(tmp_path, *names)
        assert (code, out) == (0, f"{' -> '.join(names)}: the same architecture; 5 batch norms folded in the {which}\n")


def test_another_precision_is_told_and_no_difference(here, tmp_path):
    file, _ = build(load("cifar-resnet20"), Request(precision="fp16"), tmp_path)
    code, out, _ = here(tmp_path, "cifar-resnet20", file.name)
    assert (code, out) == (0, "cifar-resnet20 -> cifar-resnet20.onnx: the same architecture; fp32 -> fp16\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["resnet18"],
            "error: one network is given, and nothing to compare it with\nhint: give another, or --set KEY=VALUE\n",
        ),
        (["a.onnx", "--set", "a=1"], "a.onnx: error: --set changes no file\nhint: give another network\n"),
        (["a.onnx", "a.onnx", "--set", "a=1"], "error: --set changes no file\nhint: both networks are files\n"),
        (
            ["resnet18", "resnet34", "--batch", "8"],
            "error: --precision and --batch are for a prediction\nhint: say on what device: --for t4\n",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(here, tmp_path, arguments, message):
    file, _ = build(load("resnet8-digits"), Request(), tmp_path)
    file.rename(tmp_path / "a.onnx")
    assert here(tmp_path, *arguments) == (2, "", message)

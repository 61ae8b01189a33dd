"""Project files: where they are found, what they mean, and how bad ones are refused."""

import json
import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_gen.problems import Refused
from resnet_gen.project import project_file
from resnet_gen.project.build_plan import plan_builds
from resnet_gen.project.lock import read_lock
from resnet_gen.project.project_file import find_project, read_project
from resnet_gen.system import project_folder
from tests.helpers.wording import without_wording

ROOT = Path(__file__).parents[2]
BAD = ROOT / "tests" / "bad_projects"
NAMES = sorted(path.name for path in BAD.iterdir() if path.suffix != ".txt")


def message(name: str) -> str:
    """What a user in the root of the repository is told about one of the bad project files and locks."""
    path = Path("tests", "bad_projects", name)
    try:
        if path.suffix == ".lock":
            read_lock(path, str(path))
        else:
            project = read_project(path)
            assert project.references or plan_builds(project)
            assert not project.settings.builds or plan_builds(project)
    except Refused as refused:
        return "\n".join(map(str, refused.problems)) + "\n"
    return "accepted\n"


def refresh() -> None:
    """Rewrite every NAME.txt with today's message; the diff is for reading."""
    os.chdir(ROOT)
    for name in NAMES:
        (BAD / name).with_suffix(".txt").write_text(message(name), encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_file_is_refused_with_its_whole_message(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    expected = (BAD / name).with_suffix(".txt").read_text(encoding="utf-8")
    assert without_wording(message(name)) == without_wording(expected)
    assert ": error: " in message(name)


def test_there_are_bad_files_and_each_has_its_message():
    assert len(NAMES) >= 25
    assert sorted(path.stem for path in BAD.glob("*.txt")) == sorted(Path(name).stem for name in NAMES)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder that ends the search, its path, in which the tests work."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


TABLE = '[project]\nname = "mine"\n[tool.resnet-gen]\nspecs = ["resnet50"]\n'


def test_without_a_file_there_is_no_project(tree):
    assert find_project() is None
    assert list(project_folder.list_candidates()) == []


def test_a_file_of_its_own_is_found_from_below_and_wins_over_a_pyproject_beside_it(tree):
    written(tree / "pyproject.toml", TABLE)
    written(tree / "resnet-gen.toml", 'lock = "x.lock"\n')
    below = tree / "a" / "b"
    below.mkdir(parents=True)
    found = find_project(below)
    assert found.path == tree / "resnet-gen.toml"
    assert found.lock_path == tree / "x.lock"


def test_a_pyproject_is_a_project_where_it_has_the_table(tree):
    written(tree / "pyproject.toml", TABLE)
    found = find_project()
    assert found.references == ("resnet50",)
    assert found.lock_path == tree / "resnet-gen.lock"
    assert str(found.source.span(("specs", 0))) == "pyproject.toml:4:10"


def test_the_nearest_wins(tree):
    written(tree / "resnet-gen.toml")
    near = written(tree / "a" / "pyproject.toml", TABLE)
    assert find_project(tree / "a").path == near


@pytest.mark.parametrize(
    "text", ['[project]\nname = "x"\n', '[project]\nname = "resnet-gen"\n', "[tool]\nresnet = 1\n"]
)
def test_another_s_pyproject_is_passed_over(tree, text):
    written(tree / "resnet-gen.toml")
    written(tree / "a" / "pyproject.toml", text)
    assert find_project(tree / "a").path == tree / "resnet-gen.toml"


def test_a_pyproject_that_is_broken_is_passed_over_unless_it_names_us(tree):
    written(tree / "pyproject.toml", "= broken")
    assert find_project() is None
    written(tree / "pyproject.toml", "# resnet-gen\n= broken")
    with pytest.raises(Refused, match=r"pyproject\.toml:2:1: error: not TOML: "):
        find_project()


@pytest.mark.parametrize("mark", ["folder", "file"])
def test_git_ends_the_search(tree, mark):
    written(tree / "resnet-gen.toml")
    inner = tree / "inner"
    if mark == "folder":
        (inner / ".git").mkdir(parents=True)
    else:  # as in a worktree
        written(inner / ".git", "gitdir: elsewhere\n")
    assert find_project(inner) is None
    written(inner / "resnet-gen.toml")
    assert find_project(inner).path == inner / "resnet-gen.toml"


def test_a_working_folder_that_is_gone_has_no_project(tree, monkeypatch):
    gone = tree / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_project() is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "error: has no table [tool.resnet-gen]"),
        ("tool = 3\n", "error: has no table [tool.resnet-gen]"),
        ("[tool]\nresnet-gen = 3\n", "2:14: error: tool.resnet-gen: not a table"),
        ("[tool.resnet-gen]\nspec = []\n", "2:1: error: spec: unknown key"),
    ],
)
def test_a_pyproject_that_is_named_needs_the_table(tree, text, words):
    path = written(tree / "pyproject.toml", text)
    with pytest.raises(Refused) as refused:
        read_project(path)
    assert words in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tree):
    with pytest.raises(Refused, match=r"^none\.toml: error: there is no such file$"):
        read_project(Path("none.toml"))


def test_paths_and_globs_start_from_the_file_in_order_and_once_each(tree):
    for name in ("b.yaml", "a.yaml", "deep/c.yaml", ".hidden/d.yaml", "deep/.e.yaml", "notes.txt", "resnet18"):
        written(tree / "networks" / name)
    text = 'specs = ["networks/b.yaml", "networks/*.yaml", "resnet50", "networks/**/c.yaml", "networks/resnet18"]'
    written(tree / "resnet-gen.toml", text)
    found = find_project()
    names = ["networks/b.yaml", "networks/a.yaml", "resnet50", "networks/deep/c.yaml", "networks/resnet18"]
    assert list(found.references) == [name.replace("/", os.sep) for name in names]
    assert found.has_spec(tree / "networks" / "a.yaml")
    assert not found.has_spec(tree / "networks" / ".hidden" / "d.yaml")
    assert not found.has_spec(None)


def test_references_are_paths_from_the_working_folder(tree, monkeypatch):
    written(tree / "resnet-gen.toml", 'specs = ["networks/*.yaml", "resnet18.d"]')
    written(tree / "networks" / "a.yaml")
    written(tree / "resnet18.d")
    monkeypatch.chdir(tree / "networks")
    assert find_project().references == ("a.yaml", f"..{os.sep}resnet18.d")


def test_a_file_beside_the_project_is_not_taken_for_the_shipped_network_of_its_name(tree):
    written(tree / "resnet-gen.toml", 'specs = ["./resnet18", "resnet18"]')
    written(tree / "resnet18")
    assert find_project().references == (f".{os.sep}resnet18", "resnet18")


@pytest.mark.parametrize("pattern", ["/**/*.yaml", "a**.yaml", "no\\u0007such", "gone/*.yaml", "."])
def test_a_pattern_that_means_nothing_is_refused(tree, pattern):
    written(tree / "resnet-gen.toml", f'specs = ["{pattern}"]')
    with pytest.raises(Refused, match=r"^resnet-gen\.toml:1:10: error: specs\.0: "):
        assert find_project().references is None


def test_every_budget_that_fits_a_name_holds(tree):
    written(tree / "resnet-gen.toml", '[budgets]\n"*".layers.max = 9\nnet.params.max = 8\n"Net".macs.max = 7\n')
    assert [pattern for pattern, _ in find_project().budgets("net")] == ["*", "net"]


def test_more_globs_than_any_project_has_are_refused(tree):
    """Each walks the folder, which may be large."""
    written(tree / "resnet-gen.toml", f"specs = {json.dumps(['a.yaml', *(f'*{n}.yaml' for n in range(101))])}")
    with pytest.raises(Refused, match=r"^resnet-gen\.toml:1:[0-9]{4}: error: specs: more than 100 globs"):
        assert find_project().references is None


def test_files_by_their_names_may_be_as_many_as_one_likes(tree):
    names = [f"n{n}.yaml" for n in range(300)]
    for name in names:
        written(tree / name)
    written(tree / "resnet-gen.toml", f"specs = {json.dumps(names)}")
    assert list(find_project().references) == names


def fits_step_by_step(parts, steps):
    if not steps:
        return not parts
    if steps[0] == "**":
        return any(fits_step_by_step(parts[n:], steps[1:]) for n in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], steps[0]) and fits_step_by_step(parts[1:], steps[1:])


@given(st.lists(st.sampled_from("ab"), max_size=6), st.lists(st.sampled_from(["a", "b", "?", "**"]), max_size=5))
def test_what_a_glob_means_is_told_step_by_step(parts, steps):
    assert project_file._matches_glob(parts, steps) == fits_step_by_step(parts, steps)


def test_what_a_glob_means_is_told_at_once_however_many_folders_it_names():
    assert not project_file._matches_glob(["a"] * 60, ["**", "a"] * 25 + ["x"])

"""What is installed is locked, for every Python that is promised, and says nothing of the machine that locked it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.helpers.thinned import CASES, even

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = [
    classifier.rpartition(" ")[2] for classifier in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", classifier)
]
SYSTEMS = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")]
LOCKS = {
    "base": (PROJECT["dependencies"], PYTHONS),
    "dev": ([*PROJECT["dependencies"], *EXTRAS["dev"]], PYTHONS),
    "oldest": ([*PROJECT["dependencies"], *EXTRAS["dev"]], PYTHONS),
    "all": (
        [*PROJECT["dependencies"], *(one for name in ("dev", "examples", "flax") for one in EXTRAS[name])],
        PYTHONS[1:],
    ),
}
"""What each list is for: the requirements that it meets, on which Pythons."""


def entries(name):
    lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def machine(python, platform, processor):
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": platform,
        "platform_machine": processor,
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[platform],
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "nt" if platform == "win32" else "posix",
    }


def applies(requirement, where):
    return requirement.marker is None or requirement.marker.evaluate(where)


def pinned(name, where):
    """The version of each package that is installed on a machine."""
    found = {}
    for entry in entries(name):
        if applies(entry, where):
            assert entry.name not in found, f"two versions of {entry.name}"
            (only,) = entry.specifier
            assert only.operator == "==", entry
            assert "*" not in only.version
            found[entry.name] = Version(only.version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_has_one_exact_version_on_every_machine(name):
    requirements, pythons = LOCKS[name]
    assert len(pythons) >= 3
    for where in (machine(python, *system) for python in pythons for system in SYSTEMS):
        found = pinned(name, where)
        for wanted in map(Requirement, requirements):
            if applies(wanted, where):
                version = found[wanted.name.lower().replace("_", "-")]
                assert wanted.specifier.contains(version, prereleases=True), (wanted, version)


@pytest.mark.parametrize("system", SYSTEMS, ids="-".join)
@pytest.mark.parametrize("python", PYTHONS)
def test_what_two_lists_have_in_common_is_of_one_version(python, system):
    where = machine(python, *system)
    base, dev = pinned("base", where), pinned("dev", where)
    assert base.items() <= dev.items()
    if python in LOCKS["all"][1]:
        both = pinned("all", where)
        assert {name: both[name] for name in dev if name in both} == {name: dev[name] for name in dev if name in both}


def test_the_oldest_versions_are_those_that_pyproject_allows_last():
    """Or the first above that there is to be had, and that other packages take."""
    found = pinned("oldest", machine("3.11", *SYSTEMS[0]))
    lowest = {
        r.name.lower().replace("_", "-"): min(Version(s.version) for s in r.specifier)
        for r in map(Requirement, LOCKS["dev"][0])
        if r.specifier and applies(r, machine("3.11", *SYSTEMS[0]))
    }
    newest = pinned("dev", machine("3.11", *SYSTEMS[0]))
    assert all(lowest[name] <= found[name] <= newest[name] for name in lowest)
    same = [
        name for name in lowest if (found[name].major, found[name].minor) == (lowest[name].major, lowest[name].minor)
    ]
    assert len(same) > 0.8 * len(lowest)


def test_the_lists_name_no_registry():
    for path in (ROOT / "requirements").iterdir():
        assert not re.search(r"://|index-url|find-links|trusted-host", path.read_text(encoding="utf-8")), path.name


def test_pythons_are_the_same_wherever_they_are_told():
    accepted = SpecifierSet(PROJECT["requires-python"])
    minors = [f"3.{minor}" for minor in range(6, 20) if accepted.contains(f"3.{minor}.1")]
    assert minors == PYTHONS
    first, last = PYTHONS[0], PYTHONS[-1]
    readme, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile"))
    assert readme.count(f"Python {first} to {last}") == 2
    assert f"({first.replace('.', ', ')}) <= v <= ({last.replace('.', ', ')})" in makefile
    assert f"runs on Python {first} to {last}" in makefile


def test_the_readme_shows_what_the_demo_runs():
    script = (ROOT / "docs" / "demo.sh").read_text(encoding="utf-8").replace('"$out"', "build/demo")
    commands = re.findall(r"^ *run (.*)$", script.replace('"$out/', "build/demo/").replace('"', ""), re.MULTILINE)
    shown = (
        (ROOT / "README.md")
        .read_text(encoding="utf-8")
        .partition("`make demo` says what it installs")[2]
        .partition("It ends")[0]
    )
    assert re.findall(r"^\$ (.*)$", shown, re.MULTILINE) == commands
    assert [line[2:] for line in shown.splitlines() if line.startswith("# ")] == re.findall(
        "^say '(.*)'$", script, re.M
    )[-1:]


def test_examples_are_the_same_on_every_run_and_more_with_another_profile():
    usual, every = settings.get_profile("usual"), settings.get_profile("all")
    assert every.max_examples > usual.max_examples
    assert all(one.derandomize and one.database is None for one in (usual, every, settings.default))


@pytest.mark.parametrize("test", CASES)
def test_a_sweep_that_is_thinned_is_there(test):
    file, *_, name = test.split("::")
    assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("of", range(1, 30))
def test_a_part_of_a_sweep_has_its_ends_and_as_many_cases_as_are_wanted(of):
    for count in range(1, 12):
        chosen = even(count, of)
        assert len(chosen) == min(count, of)
        assert chosen <= set(range(of))
        assert count < 2 or {0, of - 1} <= chosen


def test_a_test_that_does_not_begin_in_time_is_told():
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/verify/test_suppression.py"]
    environment = {**os.environ, "TESTS_BEGIN_WITHIN": "-1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "-1 s are over, which tests had on this machine: `make test-all` runs it" in done.stdout
    assert "passed" not in done.stdout

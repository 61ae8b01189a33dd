"""The mutation tester itself: mutants are what they say, and tests kill those that they should."""

import ast
import subprocess
import sys

from tests.mutants.mutate import ROOT, files, mutants, mutated, of_file, sampled
from tests.mutants.record import recorded
from tests.mutants.selection import BUDGET, Selection
from tests.mutants.survivors import reasons

COUNT = "resnet_gen/graph/counts.py"


def test_each_mutant_is_code_that_differs_in_one_place():
    source = (ROOT / COUNT).read_text(encoding="utf-8")
    whole = ast.unparse(ast.parse(source)).splitlines()
    for mutant in of_file(COUNT):
        tree = mutated(source, mutant.number)
        compile(tree, COUNT, "exec")
        changed = [pair for pair in zip(whole, ast.unparse(tree).splitlines(), strict=True) if pair[0] != pair[1]]
        assert len(changed) == 1, mutant


def test_every_file_of_the_core_has_mutants_and_each_has_a_name_of_its_own():
    found = mutants()
    assert {mutant.file for mutant in found} > {COUNT, "resnet_gen/language/lower.py", "resnet_gen/ops/layers.py"}
    assert {mutant.file for mutant in found} <= set(files())
    assert len({mutant.key for mutant in found}) == len(found)


def test_a_sample_is_the_same_each_time_and_the_beginning_of_a_larger_one():
    assert sampled(20) == sampled(50)[:20]
    assert sampled(20) != sampled(20, seed=2)


def test_of_a_sample_those_in_some_rooms_can_be_looked_at_alone():
    chosen = sampled(300, rooms=["ops", "graph/net.py"])
    assert {mutant.file.split("/")[1] for mutant in chosen} == {"ops", "graph"}
    assert chosen == [m for m in sampled(300) if m.file.startswith(("resnet_gen/ops/", "resnet_gen/graph/net.py"))]


def test_every_survivor_that_is_listed_has_a_reason_and_a_file():
    listed = reasons()
    assert all(listed.values())
    assert {key.partition(":")[0] for key in listed} <= set(files())


def test_what_calls_a_function_looks_first_and_cheap_tests_before_dear_ones():
    mutant = next(mutant for mutant in of_file(COUNT) if mutant.function == "flops")
    recording = {
        "a.py::dear": (9.0, [f"{COUNT}:flops"]),
        "a.py::cheap": (0.1, [f"{COUNT}:flops"]),
        "a.py::beside": (0.1, []),
        "b.py::elsewhere": (0.1, [f"{COUNT}:other"]),
        "a.py::endless": (BUDGET, [f"{COUNT}:flops"]),
    }
    stages = [stage.tests for stage in Selection(recording).stages(mutant)]
    assert stages == [("a.py::cheap", "a.py::dear"), ("a.py::beside",)]


KILLED = """
from pathlib import Path
import sys
from tests.mutants import run
from tests.mutants.mutate import of_file
from tests.mutants.selection import Stage

run.prepare()
mutant = next(m for m in of_file("resnet_gen/graph/counts.py") if m.new == "2 + self.macs")
tests = Stage(("tests/graph/test_count.py::test_flops_are_twice_the_macs_and_all_counts_have_names",), 1.0)
for one in (None, mutant):
    print(run.look(one, [tests], Path(sys.argv[1])).status)
"""


def test_a_test_that_passes_without_a_mutant_fails_with_it(tmp_path):
    command = [sys.executable, "-c", KILLED, tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["survived", "killed by a test"]


def test_a_process_that_a_test_starts_meets_the_mutant_too(tmp_path):
    mutant = next(mutant for mutant in of_file(COUNT) if mutant.new == "2 + self.macs")
    environment = {
        "RESNET_GEN_MUTANT": f"{mutant.file} {mutant.number}",
        "PYTHONPATH": f"{ROOT / 'tests/mutants/site'}",
    }
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import resnet_gen.graph.counts\n"
        "print(sys.modules['resnet_gen.graph.counts'].__loader__)"
    )
    command = [sys.executable, "-c", code, str(ROOT)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "tests.mutants.importing" in done.stdout


def test_what_tests_call_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.mutants.record.FOLDER", tmp_path)
    test = "tests/graph/test_count.py::test_flops_are_twice_the_macs_and_all_counts_have_names"
    code = (
        "import sys, pathlib, pytest, tests.mutants.record as record\n"
        "record.FOLDER = pathlib.Path(sys.argv[1])\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:xdist', sys.argv[2]], plugins=[record]))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path, test], cwd=ROOT, capture_output=True, check=True)
    ((name, (_, functions)),) = recorded().items()
    assert name == test
    assert {f"{COUNT}:flops", f"{COUNT}:as_dict"} <= set(functions)

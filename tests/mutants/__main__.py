"""`python -m tests.mutants record|run`: see `tests/mutants/__init__.py`."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.mutants import run
from tests.mutants.mutate import ROOT, Mutant, files, is_in, sampled
from tests.mutants.mutate import mutants as all_mutants
from tests.mutants.record import FOLDER, recorded
from tests.mutants.selection import BUDGET, Selection
from tests.mutants.survivors import reasons

RESULTS = FOLDER / "results.jsonl"
LEAST = 0.97
"""Of the mutants, so many are to be killed."""
_UNCHANGED, _TRIED = 5, 30
"""So many times, so many tests run on the code as it is, where all must pass."""


def main() -> int:
    """Record, or run and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("record", help="which tests call which functions; arguments are pytest's")
    running = commands.add_parser("run", help="run the tests on mutants, and tell which survive")
    running.add_argument("rooms", nargs="*", help="only mutants of these, below resnet_gen; else all")
    running.add_argument("--count", type=int, default=1000)
    running.add_argument("--seed", type=int, default=1)
    running.add_argument("--jobs", type=int, default=os.cpu_count())
    running.add_argument("--budget", type=float, default=BUDGET, help="seconds of tests for a mutant")
    options, more = parser.parse_known_args()
    if options.command == "record":
        return _record(more)
    if more:
        parser.error(f"unknown: {' '.join(more)}")
    if strange := [room for room in options.rooms if not any(is_in(file, room) for file in files())]:
        parser.error(f"nothing of the core is in: {' '.join(strange)}")
    return _run(options)


def _record(arguments: list[str]) -> int:
    for old in FOLDER.glob("calls.*.json"):
        old.unlink()
    command = [sys.executable, "-m", "pytest", "-p", "tests.mutants.record", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _run(options: argparse.Namespace) -> int:
    os.chdir(ROOT)
    mutants = sampled(options.count, options.seed, options.rooms)
    selection = Selection(recorded(), options.budget)
    run.prepare()
    _check_unchanged(mutants, selection)
    done = _done()
    waiting = [mutant for mutant in mutants if _identity(mutant) not in done]
    print(f"{len(mutants)} mutants, {len(mutants) - len(waiting)} of them looked at before", flush=True)
    workers = [os.fork() or _work(waiting[n :: options.jobs], selection) for n in range(options.jobs)]
    for worker in workers:
        os.waitpid(worker, 0)
    return _tell(mutants)


def _check_unchanged(mutants: list[Mutant], selection: Selection) -> None:
    """The tests pass on the code as it is, or they would seem to kill every mutant."""
    for mutant in mutants[:_UNCHANGED]:
        first = [stage._replace(tests=stage.tests[:_TRIED]) for stage in selection.stages(mutant)[:1]]
        verdict = run.look(None, first, FOLDER)
        if verdict.status != run.SURVIVED:
            raise SystemExit(f"fails without a mutant: {verdict.by or verdict.status}")


def _work(mutants: list[Mutant], selection: Selection) -> int:
    """In a worker: look at one mutant after the other, and end."""
    try:
        for mutant in mutants:
            stages = selection.stages(mutant)
            verdict = run.look(mutant, stages, FOLDER)
            tests = sum(len(stage.tests) for stage in stages)
            line = {
                "id": _identity(mutant),
                "key": mutant.key,
                "line": mutant.line,
                "tests": tests,
                **verdict._asdict(),
            }
            with RESULTS.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
    finally:
        os._exit(0)


def _identity(mutant: Mutant) -> str:
    """What a verdict is of: this change of this very file."""
    digest = hashlib.sha256(Path(ROOT / mutant.file).read_bytes()).hexdigest()[:12]
    return f"{mutant.file} {digest} {mutant.number}"


def _done() -> dict[str, dict[str, str]]:
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    return {told["id"]: told for told in map(json.loads, lines)}


def _tell(mutants: list[Mutant]) -> int:
    """Print what became of them; 1 where too many survive, or one for which no reason is given."""
    verdicts, known = _done(), reasons()
    told = [(mutant, verdicts[_identity(mutant)]) for mutant in mutants if _identity(mutant) in verdicts]
    alive = [(mutant, verdict) for mutant, verdict in told if verdict["status"] == run.SURVIVED]
    for mutant, verdict in alive:
        print(f"survived {verdict['tests']} tests: {mutant.file}:{mutant.line}: {mutant.key}")
        print(f"  {known.get(mutant.key, 'no reason is given')}")
    tried, killed = {mutant.key for mutant, _ in told}, known.keys() - {mutant.key for mutant, _ in alive}
    for key in sorted(killed & tried | known.keys() - {mutant.key for mutant in all_mutants()}):
        print(f"listed, and no survivor: {key}")
    for status, count in Counter(verdict["status"] for _, verdict in told).most_common():
        print(f"{count:5} {status}")
    rate = 1 - len(alive) / max(1, len(told))
    print(f"{rate:.1%} of {len(told)} killed; {LEAST:.0%} are to be")
    return int(len(told) < len(mutants) or rate < LEAST or any(mutant.key not in known for mutant, _ in alive))


if __name__ == "__main__":
    sys.exit(main())

"""Fuzzes each target's readers in turn: `python -m tests.fuzz [--seconds N] [TARGET ...]`; needs atheris.

What is new of the corpus, and finds, go to build/fuzz/TARGET; the seed of random numbers is the same each time. At the
end what is new is put to every reader within its limits of memory. Exits with 1 if anything was found.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys

from tests.fuzz.targets import CORPUS, ROOT, TARGETS, seeds

BUILD = ROOT / "build" / "fuzz"


def fuzz(name, reader, seconds):
    """Let the fuzzer make bytes for a reader; returns what it did, what it found, its exit code and its log."""
    folder, called = BUILD / name, reader.replace(" ", "-")
    kept, elsewhere, finds = (folder / part for part in ("corpus", "elsewhere", "finds"))
    _link(elsewhere, [path for path in seeds(name) if CORPUS not in path.parents])
    for each in (kept, finds):
        each.mkdir(parents=True, exist_ok=True)
    before = set(finds.iterdir())
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={finds}/{called}-"]
    folders = [str(each) for each in (kept, CORPUS / name, elsewhere)]
    command = [sys.executable, "-m", "tests.fuzz.fuzzer", name, reader, *options, *folders]
    log = folder / f"{called}.log"
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(command, cwd=ROOT, stdout=stream, stderr=stream, check=False)
    made = sorted(set(finds.iterdir()) - before)
    return _summary(log.read_text(encoding="utf-8", errors="replace")), made, done.returncode, log


def _link(folder, paths):
    """A folder of links to files, since libFuzzer takes folders."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        link = folder / "-".join(path.relative_to(ROOT).parts)
        if not link.exists():
            link.symlink_to(path)


def _summary(log):
    runs = re.findall(r"^#(\d+)\t.*?cov: (\d+) ft: \d+ corp: (\d+)", log, re.M)
    total = re.search(r"number_of_executed_units: (\d+)", log)
    executed, edges, files = runs[-1] if runs else (0, 0, 0)
    return f"{int(total[1] if total else executed):,} executions, {edges} edges, {files} files"


def main():
    """Fuzz the targets that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target, shared by its readers")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target is called {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    found = [name for name in options.targets or TARGETS if _fuzz_all(name, options.seconds)]
    print(f"found something: {', '.join(found)}" if found else "nothing was found")
    return int(bool(found))


def _fuzz_all(name, seconds):
    """Fuzz each reader of a target, and measure what is new; returns whether anything was found."""
    found, readers = False, TARGETS[name].readers
    for reader in readers:
        said, made, code, log = fuzz(name, reader, max(1, seconds // len(readers)))
        print(f"{name} [{reader}]: {said}", flush=True)
        if code:
            found = True
            print(f"  found; see {log.relative_to(ROOT)}", flush=True)
        for path in made:
            print(f"  {_reproduction(name, path)}", flush=True)
    kept = sorted(str(path.relative_to(ROOT)) for path in (BUILD / name / "corpus").iterdir())
    replay = [sys.executable, "-m", "tests.fuzz.replay", "--quiet", name, *kept]
    return subprocess.run(replay, cwd=ROOT, check=False).returncode != 0 or found if kept else found


def _reproduction(name, path):
    return shlex.join(["python", "-m", "tests.fuzz.replay", name, str(path.relative_to(ROOT))])


if __name__ == "__main__":
    sys.exit(main())

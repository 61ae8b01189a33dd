"""Every command that a page shows is run, in the order of the page, and prints what the page says that it prints."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys

import pytest

from resnet_gen.cli import build_files, main
from resnet_gen.engine import cpu_numerics
from tests.cli.test_pytest_plugin import OFF
from tests.pages.scenes import BETWEEN, SCENES
from tests.pages.shown import PAGES, commands

LEFT_OUT = {
    "make ": "installs; its commands stand on the page or in the Makefile",
    "pip install ": "installs",
    "python examples/": "trains, with torch; tests/cli/test_examples.py runs it",
    "python -m tests.accuracy.train": "trains, with torch, for minutes",
    "python -m tests.accuracy.digits": "no command of the tool; tests/accuracy runs it",
    "python -m tests.helpers.flax_runs": "needs jax, and an hour; tests/generate/test_generate_flax.py runs a part",
    "TENSORRT_INCLUDE=": "needs the headers of TensorRT, which no registry has",
    "sh resnet50.build.sh": "runs on the device; tests/build/test_bundles.py runs it on a stand-in",
    "python3 resnet50.check.py": "the same",
    "resnet-gen bench build/resnet50.fp16.sm89.engine": "needs a GPU",
    "resnet-gen build resnet50 --weights torchvision:": "fetches; tests/weights/test_downloads.py does",
    "resnet-gen import model.onnx": "whoever reads it has the file",
    "resnet-gen build mine.yaml": "the same",
    "resnet-gen verify mine.yaml": "the same",
}
"""How commands begin that no test here runs, and why."""
SLOW = {
    "resnet-gen build resnet50 -o build/demo/fp16": "an engine is built, and its file compared with FP32",
    "resnet-gen build resnet50 --for rtx-4090": "the same, in eight bits",
    "resnet-gen check-engine build/": "it looks at an engine, which is built before",
    "resnet-gen build my-network.yaml -o build --precision fp16": "compares ResNet-50 with FP32",
    "resnet-gen build resnet50 --for jetson-nano\n": "the same",
    "resnet-gen build resnet50 --for cpu": "calibrates and compares ResNet-50 in eight bits",
    "resnet-gen build resnet18 --for cpu": "the same of ResNet-18",
    "resnet-gen build resnet50 --precision fp16": "compares ResNet-50 with FP32",
    "resnet-gen build resnet50 --precision bf16": "compares ResNet-50 with FP32",
    "resnet-gen verify resnet8-digits --against build/": "imports scikit-learn and calibrates",
    "resnet-gen bench ": "measures",
    "pytest nets": "starts a pytest of its own",
}
"""How commands begin that `make test-all` alone runs, and what takes them so long."""
BRIEFLY = ("--seconds", "0.1")
"""Behind what a page tells `bench`: how it is told is tried here, not how fast a machine is."""
NEEDED = {"--sm ": "tensorrt_rtx", "--for rtx": "tensorrt_rtx", ".engine": "tensorrt_rtx", "openvino": "openvino"}
"""What stands in commands that need a library which not every machine has."""
FREE = re.compile(
    r"^ *\.\.\.\n|-?\d+\.\d+(?= dB)|(?<=score ) *-?\d+\.\d+|(?<=costliest layers): .*"
    r"|\d+(?:\.\d+)?(?= to [\d.]+ times what random)|(?<= to )\d+(?:\.\d+)?(?= times what random)",
    re.MULTILINE,
)
"""What of a page's output need not be met to the letter: lines left out, and what a processor's rounding may change."""
SHOWN = {page: commands(page) for page in PAGES if commands(page)}


def begins(command, table):
    return any(f"{command}\n".startswith(words) for words in table)


def pattern(output):
    """What output matches: a line of three dots stands for any lines, and groups for what is measured."""
    parts = FREE.split(output)
    free = [".*" if kept.strip() == "..." else f"({kept[0]}[^\n]*)" if kept.startswith(":") else r"( *-?[\d.]+)"
            for kept in FREE.findall(output)]  # fmt: skip
    return "".join(re.escape(part) + gap for part, gap in zip(parts, [*free, ""], strict=True))


def matches(output, text):
    """Whether a text is what the page shows; measured numbers may be off by as much as another processor rounds."""
    found = re.fullmatch(pattern(output), text, re.DOTALL)
    measured = [words for words in FREE.findall(output) if words.strip() != "..." and not words.startswith(":")]
    return found and [float(group) for group in found.groups() if not group.startswith(":")] == [
        pytest.approx(float(words), rel=0.03, abs=0.02) for words in measured
    ]


def printed(command):
    """The exit code of a command and what it prints, as a terminal shows it; of a shell, `| head -1` and `> FILE`."""
    if command.startswith("pytest "):
        return of_pytest(command)
    command, _, file = command.partition(" > ")
    command, first, _ = command.partition(" | head -1")
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err if first or file else out),
        pytest.raises(SystemExit) as left,
    ):
        main([*shlex.split(command)[1:], *(BRIEFLY if command.startswith("resnet-gen bench ") else ())])
    text = out.getvalue()
    if file:
        with open(file, "w", encoding="utf-8") as written:  # noqa: PTH123
            written.write(text)
    return left.value.code, "" if file else text.partition("\n")[0] + "\n" if first else text


def of_pytest(command):
    """What pytest prints, in a process of its own, without how long it took."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *OFF, *shlex.split(command)[1:]],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "CI"} | {"COLUMNS": "80"},
    )
    return done.returncode, re.sub(r" in \d+\.\d+s$", "", done.stdout, flags=re.MULTILINE)


def run(page, shown):
    """Run the commands of a page; each prints what is shown, or where nothing is shown ends well."""
    if page in SCENES:
        SCENES[page]()
    for one in shown:
        BETWEEN.get((page, one.command), lambda: None)()
        code, text = printed(one.command)
        assert "Traceback" not in text
        where = f"{page}:{one.line}: {one.command}"
        if one.output:
            assert matches(one.output, text), f"{where}\n{text}"
        else:
            assert code == 0, f"{where}\n{text}"


def without(*tables):
    """The commands of each page that begin as none of these tables says, of pages that have any."""
    table = {words for one in tables for words in one}
    found = {page: [one for one in shown if not begins(one.command, table)] for page, shown in SHOWN.items()}
    return {page: shown for page, shown in found.items() if shown}


QUICK, ALL = without(LEFT_OUT, SLOW), without(LEFT_OUT)


@pytest.fixture(autouse=True)
def has_vnni(monkeypatch):
    """Pages show what is said where eight bits are computed as they are written."""
    for module in (build_files, cpu_numerics):
        monkeypatch.setattr(module, "sums_saturate", lambda: False)


@pytest.mark.parametrize("page", QUICK)
def test_commands_print_what_the_page_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(page, QUICK[page])


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in ALL if ALL[page] != QUICK.get(page)])
def test_commands_that_take_long_do_so_too(page, tmp_path, monkeypatch):
    shown = ALL[page]
    for words, library in NEEDED.items():
        if any(words in one.command for one in shown):
            pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    run(page, shown)


def test_every_command_of_a_page_is_run_or_left_out_and_no_reason_is_left_over():
    every = [one.command for shown in SHOWN.values() for one in shown]
    assert [one for one in every if not one.startswith(("resnet-gen ", "pytest ")) and not begins(one, LEFT_OUT)] == []
    assert [words for words in LEFT_OUT | SLOW if not any(begins(one, [words]) for one in every)] == []
    assert [at for at in BETWEEN if at[1] not in [one.command for one in SHOWN[at[0]]]] == []
    assert SCENES.keys() <= SHOWN.keys()


@pytest.mark.parametrize(
    ("output", "same", "other"),
    [
        ("a\n...\nb\n", "a\n1\n2\nb\n", "a\n1\n"),
        ("a\n  ...\nb\n", "a\nb\n", "a\nc\n"),
        ("40.6 dB on 8 images\n", "40.5 dB on 8 images\n", "40.6 dB on 4 images\n"),
        ("40.6 dB\n", "39.9 dB\n", "31.0 dB\n"),
        ("class     3  score    3.8159\n", "class     3  score    3.8160\n", "class     2  score    3.8159\n"),
        ("class     3  score    0.2120\n", "class     3  score    0.2119\n", "class     3  score   -0.2120\n"),
        ("costliest layers: a 1.0 dB, b 2.0 dB\n", "costliest layers: b 2.0 dB, a 2.1 dB\n", "layers: a 1.0 dB\n"),
    ],
)
def test_what_is_left_out_or_measured_may_differ_and_nothing_else(output, same, other):
    assert matches(output, output)
    assert matches(output, same)
    assert not matches(output, other)

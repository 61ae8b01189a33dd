"""Numbers that pages tell of this project are counted anew."""

from __future__ import annotations

import json
import re

import pytest

from resnet_gen.language.load import load
from resnet_gen.speed.targets import shipped_targets
from resnet_gen.system.resources import shipped_specs
from resnet_gen.verify.rules import RULES
from tests.accuracy import test_accuracy
from tests.compare import test_against_changed as changed
from tests.fixtures.make_exports import OUTSIDE, exports
from tests.graph import test_conventions
from tests.helpers.varied import VARIED
from tests.language import test_mutated_specs
from tests.onnx import test_reference_outputs
from tests.onnx.reading import test_mutations
from tests.pages.shown import ROOT, text
from tests.properties import test_whole_language


def kept(name):
    return json.loads((ROOT / "tests" / name).read_text(encoding="utf-8"))


def counted():
    """What the counters printed, of networks and of variants."""
    found = kept("reference/counters.json")
    return found["networks"], found["variants"]


def figures(entries):
    return sum(name != "side" for entry in entries.values() for name in entry)


def family():
    return [export for export in exports() if export.network.partition("/")[2] not in OUTSIDE]


def referenced():
    return sum(load(name).spec.reference is not None for name in shipped_specs())


def at_length(module, test):
    """How many cases a test has with `make test-all`: the largest number that it is given."""
    (mark,) = getattr(module, test).pytestmark
    return max(value.values[0] if hasattr(value, "values") else value for value in mark.args[1])


def changes():
    seeds = re.search(
        r"at_length.*?range\((\d+), (\d+)\)",
        (ROOT / "tests/compare/test_against_changed.py").read_text("utf-8"),
        re.DOTALL,
    )
    return len(changed.CHANGES) * (int(seeds[2]) - int(seeds[1]))


def drawn():
    tests = [name for name in vars(test_whole_language) if name.startswith("test_")]
    return len(tests) * test_whole_language.MANY.max_examples


TOLD = [
    ("README.md", r"\n(\d+) networks are shipped", lambda: len(shipped_specs())),
    ("README.md", r"for (\d+) networks;", referenced),
    ("README.md", r"each of the (\d+) stays", referenced),
    ("README.md", r"one of \[(\d+) devices\]", lambda: len(shipped_targets())),
    ("README.md", r"pycls' (\d+) counts", lambda: len(kept("reference/pycls_complexity.json")["nets"])),
    ("README.md", r"a ResNet-8 gets (\d+) right", lambda: test_accuracy.CORRECT),
    ("README.md", r"parity`; (\d+) in `make test`", lambda: len(test_reference_outputs.CHOSEN)),
    ("docs/counting.md", r"on all (\d+) networks", lambda: len(counted()[0])),
    ("docs/counting.md", r"on (\d+) variants", lambda: len(counted()[1])),
    ("docs/counting.md", r"All (\d+) figures", lambda: sum(map(figures, counted()))),
    ("docs/counting.md", r"again, on (\d+) of them", lambda: len(test_conventions.RUN)),
    ("docs/counting.md", r"All (\d+) networks whose", lambda: len(kept("reference/pycls_complexity.json")["nets"])),
    ("docs/generate.md", r"all (\d+) \(the three", referenced),
    ("docs/generate.md", r"the outputs of (\d+) are kept", lambda: len(kept("fixtures/generated_outputs.json"))),
    ("docs/generate.md", r"for (\d+) shipped specs", lambda: len(VARIED)),
    ("docs/generate.md", r"outputs of the (\d+) networks", referenced),
    ("docs/generate.md", r"files of (\d+) networks", lambda: len(VARIED)),
    ("docs/reading.md", r"read (\d+) exports", lambda: len(family())),
    ("docs/reading.md", r"exports of (\d+) networks", lambda: len({export.network for export in family()})),
    ("tests/README.md", r"over all (\d+) networks", lambda: len(shipped_specs())),
    ("tests/README.md", r"takes the (\d+) of", lambda: len(VARIED)),
    ("tests/README.md", r"outputs: (\d+) networks", lambda: len(test_reference_outputs.CHOSEN)),
    ("tests/README.md", r"layout of (\d+) networks", lambda: len(VARIED)),
    ("tests/README.md", r"jax \(.*all (\d+)\)", referenced),
    ("tests/README.md", r"all (\d+) of them", referenced),
    ("tests/README.md", r"each of (\d+) networks", referenced),
    ("tests/README.md", r"changes ([\d,]+) \|", changes),
    ("tests/README.md", r"counts ([\d,]+) of them", drawn),
    (
        "tests/README.md",
        r"breaks ([\d,]+) \|",
        lambda: at_length(test_mutated_specs, "test_every_broken_spec_is_verified_or_refused_in_every_format"),
    ),
]


@pytest.mark.parametrize(("page", "words", "number"), TOLD, ids=[f"{page}: {words}" for page, words, _ in TOLD])
def test_a_number_is_what_there_is(page, words, number):
    (told,) = re.findall(words, text(page))
    assert int(told.replace(",", "")) == number()


def test_a_thousand_files_are_a_thousand_and_all_rules_are_listed():
    assert "a thousand files" in text("docs/reading.md")
    assert at_length(test_mutations, "test_every_broken_file_is_read_or_refused") == 1000
    assert re.findall(r"^\| \[`([\w-]+)`", text("docs/rules/README.md"), re.MULTILINE) == list(RULES)


def test_editors_are_tried_with_the_server_that_the_page_names():
    (tried,) = re.findall(r"Tried with\s+yaml-language-server ([\d.]+)\.", text("docs/ci.md"))
    assert re.findall(r"yaml-language-server@(\S+)", (ROOT / "Makefile").read_text("utf-8")) == [tried]

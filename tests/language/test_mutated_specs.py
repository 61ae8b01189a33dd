"""Broken specs, verified on the command line: told or refused in every format, in time, and nothing is touched.

Some in every run of the tests; 2,500 with `make test-all`.
"""

import random
from pathlib import Path

import pytest

from resnet_gen.cli import main
from resnet_gen.system.resources import shipped_specs
from resnet_gen.verify.formats import FORMATS
from tests.helpers.limits import within

LIMIT = 2.0
CHILD = """name: mine
extends: resnet50d
input: {size: 64}
stages:
  depths: [1, 1, 1, 1]
  widths: [64, 128, 256, 500]  # resnet-gen: ignore[half-map-double-filters] tried once
  overrides:
    stage2: {attention: se}
budgets:
  params: {max: 30M}
claims:
  - {what: layers, value: 15, source: us}  # resnet-gen: ignore[claim] not yet
"""
WORDS = (
    "null", "true", "-1", "0", "1", "3.5", "1e400", "9" * 40, "0x10", "1_000", "[]", "{}", "[1, 2, 3]", "{kind: se}",
    "'", '"', "*a", "&a x", "<<: *a", "!!python/name:os.system", "a: b: c", "| text", "\x00", "\u2028", "é\U0001f600",
    "basic", "bottleneck", "none", "resnet50", "./net.yaml", "../..",
    "# resnet-gen: ignore[claim] because", "# resnet-gen: ignore[]",
)  # fmt: skip


def flip(draw, text):
    raw = bytearray(text.encode())
    for _ in range(draw.randint(1, 4)):
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    return raw.decode("latin-1")


def cut(draw, text):
    return text[: draw.randrange(1, len(text))]


def of_lines(change):
    def changed(draw, text):
        lines = text.split("\n")
        change(draw, lines, draw.randrange(len(lines)))
        return "\n".join(lines)

    return changed


def drop(draw, lines, at):
    del lines[at]


def double(draw, lines, at):
    lines.insert(draw.randrange(len(lines)), lines[at])


def indent(draw, lines, at):
    lines[at] = draw.choice([" ", "  ", "\t", "    "]) + lines[at]


def dedent(draw, lines, at):
    lines[at] = lines[at].lstrip()


def value(draw, lines, at):
    key, colon, _ = lines[at].partition(":")
    lines[at] = f"{key}{colon} {draw.choice(WORDS)}"


def word(draw, lines, at):
    words = lines[at].split(" ")
    words[draw.randrange(len(words))] = draw.choice(WORDS)
    lines[at] = " ".join(words)


def letter(draw, lines, at):
    place = draw.randrange(len(lines[at]) + 1)
    lines[at] = lines[at][:place] + draw.choice("ax0-:,[]{}#'\"\\é") + lines[at][place + draw.randint(0, 1) :]


def comment(draw, lines, at):
    lines[at] += f"  # resnet-gen: ignore[{draw.choice(['claim', 'budget', 'nosuch', ''])}] {draw.choice(['why', ''])}"


CHANGES = [flip, cut, *map(of_lines, (drop, double, indent, dedent, value, value, word, word, letter, comment))]


def originals():
    """Texts of every kind: shipped children and wholes, and as often one of a user."""
    shipped = [path.read_text() for _, path in sorted(shipped_specs().items())]
    return [*shipped, *[CHILD] * len(shipped)]


@pytest.mark.parametrize("number", [100, pytest.param(2500, marks=pytest.mark.long)])
def test_every_broken_spec_is_verified_or_refused_in_every_format(number, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    told = [word for form in FORMATS if form != "text" for word in ("--format", form, "-o", f"out.{form}")]
    told += ["--format", "text", "-o", "-"]
    draw, texts, codes = random.Random(20261), originals(), {0: 0, 1: 0, 2: 0}
    net = Path("net.yaml")
    for _ in range(number):
        text = draw.choice(texts)
        for _ in range(draw.choice([1, 1, 2, 3])):
            text = draw.choice(CHANGES)(draw, text or "\n")
        raw = text.encode("utf-8", "surrogatepass")
        net.write_bytes(raw)
        with within(LIMIT), pytest.raises(SystemExit) as left:
            main(["verify", "net.yaml", *told])
        codes[left.value.code] += 1
        out, err = capfd.readouterr()
        said_well(left.value.code, out, err)
        assert net.read_bytes() == raw
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["net.yaml", *(w for w in told if "out." in w)])
    assert min(codes.values()) > number // 50, "changes that are all noticed, or none, test nothing"


def said_well(code, out, err):
    """What is wrong is said with its place; nothing that a terminal would obey."""
    assert all(c.isprintable() or c == "\n" for c in out + err)
    if code == 2:
        assert "net.yaml" in err
        assert "error:" in err

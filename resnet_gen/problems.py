"""What a fault is and how it is shown: position, caret, hint.

A message and its place come in; text with a caret goes out, as an exception or as a finding.

Every refusal of bad input in the package is a `Problem`; whoever finds several raises them together in one `Refused`,
and the command line prints them and exits with 2.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

Loc: TypeAlias = tuple[str | int, ...]
"""Where a value stands in data: the keys and indices that lead to it."""

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what YAML 1.1 parsers count as the end of a line
_PAIR = re.compile("[\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Document:
    """A text that positions point into: a file, or one `--set` of the command line."""

    name: str
    text: str

    def line(self, number: int, first: int = 0, last: int | None = None) -> str:
        """Line `number`, counted from 0, or its columns from `first` to `last`; empty past the last one.

        A line may be the whole file and the place of thousands of problems: its end is not looked for anew.
        """
        start, end = self._bounds(number)
        return self.text[min(start + first, end) : end if last is None else min(start + last, end)]

    def width(self, number: int) -> int:
        """How many characters line `number` has, without its end."""
        start, end = self._bounds(number)
        return end - start

    def utf16_column(self, number: int, column: int) -> int:
        """How many units of UTF-16 stand before a column of a line."""
        start, end = self._bounds(number)
        last = min(start + column, end)
        return last - start + bisect_left(self._pairs, last) - bisect_left(self._pairs, start)

    def _bounds(self, number: int) -> tuple[int, int]:
        """Where a line begins, and where its end does; a line past the last one is empty."""
        start = self._starts[number] if number < len(self._starts) else len(self.text)
        if number + 1 >= len(self._starts):
            return start, len(self.text)
        after = self._starts[number + 1]
        return start, after - (2 if self.text.startswith("\r\n", after - 2) else 1)

    @cached_property
    def _starts(self) -> array[int]:
        """Where lines begin; a text may be nothing but their ends."""
        return array("Q", [0]) + array("Q", (found.end() for found in _BREAK.finditer(self.text)))

    @cached_property
    def _pairs(self) -> array[int]:
        """Where characters stand that take two units of UTF-16."""
        return array("Q", (found.start() for found in _PAIR.finditer(self.text)))

    def span_at(self, index: int, end: int = 0) -> Span:
        """The text from `index` to `end`, or to its line's; the one character at `index` without an `end`."""
        line = bisect_right(self._starts, index) - 1
        column = index - self._starts[line]
        return Span(self, line, column, max(column + 1, min(column + end - index, self.width(line))))


class Span(NamedTuple):
    """A stretch of one line of a document; line and columns counted from 0."""

    document: Document
    line: int
    column: int
    end: int

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line + 1}:{self.column + 1}"

    def excerpt(self) -> str:
        """The line with its number, and carets under the stretch; of a long line, what is around it."""
        cut = max(0, self.column - _SHOWN // 2) if self.document.width(self.line) > _SHOWN else 0
        line = self.document.line(self.line, cut, cut + _SHOWN)
        text = "".join(c if _is_shown(c) else " " for c in line)
        first, last = self.column - cut, self.end - cut
        carets = "^" * max(1, min(last, len(text)) - first)
        return f"{self.line + 1:>4} | {text}\n{'':>4}   {' ' * first}{carets}"


_SHOWN = 100
"""Characters of a line that are shown."""


class Bounds(NamedTuple):
    """The least and the most that a whole number may be; what lies outside is refused."""

    least: int
    most: int


@dataclass(frozen=True)
class Problem:
    """One fault: what is wrong, where, and what may help; its text (`str`) has the line with a caret under it."""

    message: str
    """What is wrong, in lower case."""
    where: Span | str | None = None
    """A position in a document, the name of a file, or None."""
    hint: str | None = None
    """What may help."""
    rule: str | None = None
    """The id of the broken rule, where a contract was checked rather than read."""
    severity: str = "error"
    """`error`, or what else reports call it."""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        rule = f" [{self.rule}]" if self.rule else ""
        lines = [visible_line(f"{place}{self.severity}: {self.message}{rule}")]
        if isinstance(self.where, Span):
            lines.append(self.where.excerpt())
        if self.hint:
            lines.append(visible(f"hint: {self.hint}"))
        return "\n".join(lines)


def shorten(text: str, limit: int = 60) -> str:
    """`text` cut to `limit` characters; what comes from a file may be of any length."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that Python takes for printable, and that show nothing."""
_COMMAND = re.compile(r"#(?=#\w*\[)")
"""Where `##[error]` or `##vso[...]` begins, which build servers obey wherever it stands in a line."""


def _is_shown(character: str) -> bool:
    return character.isprintable() and not _UNSEEN.match(character)


def visible(text: str) -> str:
    """`text` in one line, with escapes for what a terminal or a build server would obey, and for what shows nothing."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if _is_shown(c) else ascii(c)[1:-1] for c in text)
    return _COMMAND.sub(r"\\x23", text)


def visible_line(text: str) -> str:
    """`text` visible, as a line that is no command to GitHub, as `::error::` at its start would be."""
    shown = visible(text)
    return shown.replace(":", "\\x3a", 1) if shown.lstrip().startswith("::") else shown


def visible_lines(text: str) -> str:
    """Lines that were laid out here, each as a visible one."""
    return "\n".join(map(visible_line, text.split("\n")))


def unlink(text: str, more: str = r"(?!)") -> str:
    """Text with U+200B behind what readers of Markdown make a mention or a link of, and behind what `more` matches."""
    return re.sub(rf"(@|#(?=\d)|:(?=//)|www(?=\.)|GH(?=-)|{more})", "\\1\u200b", text, flags=re.IGNORECASE)


def json_text(data: Any, indent: int | None = 2) -> str:
    """Data as JSON in visible characters."""
    import json  # which most commands do without

    return _COMMAND.sub(r"\\u0023", json.dumps(data, indent=indent).replace("\x7f", "\\u007f"))


class Refused(Exception):
    """Bad input; its text is that of every problem that was found."""

    problems: tuple[Problem, ...]
    """What is wrong, in order."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def refuse(message: str, where: Span | str | None = None, hint: str | None = None) -> Refused:
    """A `Refused` of one problem, to be raised by the caller."""
    return Refused(Problem(message, where, hint))


NEAR = 0.65
"""How alike two words are, by `difflib`'s ratio, of which one may be the other misspelt."""
SURE = 0.8
"""How alike they are where that is all but certain."""
SLIP = 0.95
"""How alike they are where one is the other but for a letter or two, or but for how its parts are joined."""
LONG_PIECE = 8
MOST_NEAR = 5
_MOST_COMPARED = 5_000
"""Known words that are compared letter by letter: of more, those that hold the word are seen, or that it holds."""
_LONGEST_KNOWN = 200
"""Characters of a known word that count, and are shown."""


def suggest(word: str, known: Iterable[str], *, exact_numbers: bool = False, others: str = "") -> str:
    """A hint for an unknown `word`: the closest known ones, then all unless they are many, and what `others` are."""
    names = sorted(known)
    close = _find_near(word, names, NEAR, exact_numbers)[:MOST_NEAR]
    short = [shorten(name, _LONGEST_KNOWN) for name in names[:40]]  # anybody's, in a file
    first = f"did you mean {' or '.join(repr(shorten(name, _LONGEST_KNOWN)) for name in close)}?" if close else ""
    shown = "" if close and len(names) > 20 else ", ".join(short) + (", ..." if len(names) > 40 else "")
    listed = "; ".join(filter(None, (f"known: {shown}" if shown else "", f"others {others}" if others else "")))
    return f"{first} {listed}".strip()


def closest(word: str, known: Iterable[str], least: float = NEAR) -> str | None:
    """The known word that is most like `word`, if one is."""
    found = _find_near(word, list(known), least, exact_numbers=False)
    return found[0] if len(found) == 1 else None


def _find_near(word: str, known: Sequence[str], least: float, exact_numbers: bool) -> list[str]:
    """The known words that `word` may mean: one that it holds, those that hold it, or one that is spelt nearly so.

    With `exact_numbers` what has other numbers is something else: no misspelling makes an A100 of an A10.
    """
    import difflib

    names, plain = {_normalize_word(name): name for name in known}, _normalize_word(word)
    if plain in WORDS and plain not in names:
        meant = _normalize_word(WORDS[plain] or "")
        if meant in names or not meant:
            return [names[meant]] if meant else []
    fitting = [name for name in names if not exact_numbers or _same_but_for_letters(name, plain)]

    def find_alike(cutoff: float) -> list[str]:
        if len(fitting) > _MOST_COMPARED:
            return []
        return difflib.get_close_matches(plain, fitting, n=1, cutoff=cutoff)

    around = sorted((name for name in names if _holds_words(name, plain)), key=len)
    inside = sorted((name for name in names if _holds_words(plain, name) or _is_piece(name, plain)), key=len)
    found = find_alike(SLIP) or around or inside[-1:] or find_alike(SURE if exact_numbers else least)
    return [names[name] for name in found]


def synonym(word: str) -> str | None:
    """What is called `word` elsewhere and otherwise here."""
    return WORDS.get(_normalize_word(word))


def _normalize_word(word: str) -> str:
    """A word without what people write in different ways: capitals, and what stands between its parts."""
    return re.sub(r"[\W_]+", "-", shorten(word, _LONGEST_KNOWN).casefold()).strip("-")


def _holds_words(whole: str, part: str) -> bool:
    """Whether `part` is some of the words of `whole`, side by side."""
    return len(part) > 1 and f"-{part}-" in f"-{whole}-"


def _is_piece(part: str, whole: str) -> bool:
    """Whether a long word stands in another as both are written together."""
    joined = part.replace("-", "")
    return len(joined) >= LONG_PIECE and joined in whole.replace("-", "")


def _same_but_for_letters(a: str, b: str) -> bool:
    """Whether two words have the same numbers, and letters that are alike too."""
    import difflib

    left, right = (re.sub(r"[^a-z]", "", word) for word in (a, b))
    alike = difflib.SequenceMatcher(None, left, right).ratio() >= NEAR
    return alike and re.findall(r"\d+", a) == re.findall(r"\d+", b)


def several(number: int, noun: str) -> str:
    """`1 value`, `2 values`, `2 classes`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


WORDS: dict[str, str | None] = {
    # keys
    "act": "activation", "act-layer": "activation", "nonlinearity": "activation",
    "attn": "attention", "attn-layer": "attention",
    "aa-layer": "antialias", "blurpool": "antialias",
    "norm-layer": "norm", "normalization": "norm",
    "dilation": "output_stride", "dilations": "output_stride", "replace-stride-with-dilation": "output_stride",
    "blocks": "depths", "num-blocks": "depths",
    "cardinality": "groups", "width-per-group": "base_width", "num-groups": "groups",
    "channels-per-group": "group_size", "in-chans": "channels", "in-channels": "channels",
    "num-classes": "classes", "img-size": "size", "image-size": "size", "resolution": "size", "epsilon": "eps",
    "negative-slope": "slope", "reduction-ratio": "rd_ratio",
    "drop-rate": "dropout", "drop-path": "stochastic_depth", "drop-path-rate": "stochastic_depth",
    "stochastic-depth-prob": "stochastic_depth", "drop-connect": "stochastic_depth",
    "zero-init-residual": "zero_init_last_norm", "zero-init-last": "zero_init_last_norm",
    "zero-init-last-bn": "zero_init_last_norm", "learning-rate": None, "weight-decay": None,
    # kinds
    "swish": "silu", "lrelu": "leaky_relu", "relu6": None, "prelu": None, "identity-activation": None,
    "bn": "batch", "batchnorm": "batch", "batch-norm": "batch", "batchnorm2d": "batch",
    "gn": "group", "groupnorm": "group", "ln": "layer", "layernorm": "layer",
    "instance": None, "instancenorm": None, "frozen": None,
    "squeeze-excite": "se", "squeeze-excitation": "se", "squeeze-and-excitation": "se", "squeezeexcite": "se",
    "fc": "linear", "dense": "linear", "classifier": "linear",
    "option-a": "zero_pad", "option-b": "projection", "option-c": "projection_all",
    "avg-down": "avg_projection", "conv1x1": "projection",
    "split-attention": "resnest", "selective-kernel": "selective_bottleneck", "basicblock": "basic",
    # options
    "checkpoint": "weights", "ckpt": "weights", "pretrained": "weights", "resume": "weights", "state-dict": "weights",
    "device": "for", "gpu": "for", "dtype": "precision", "quantize": "precision", "calib": "calibration",
    "batch-size": "batch", "out": "output", "output-dir": "output", "outdir": "output",
    "fp16": "precision", "half": "precision", "bf16": "precision", "int8": "precision", "fp8": "precision",
    # commands
    "export": "build", "compile": "build", "convert": "weights", "codegen": "generate",
    "validate": "verify", "lint": "verify", "compare": "diff", "explain": "rule", "new": "init", "create": "init",
    "benchmark": "bench", "profile": "bench", "infer": "run", "inference": "run", "devices": "targets",
    "summary": "show", "info": "show", "inspect": "show", "describe": "show",
    "flops": "count", "macs": "count", "params": "count",
}  # fmt: skip
"""What other tools and papers call what is called otherwise here, for hints where words that look alike mislead.

By how they are written without capitals and underscores; None is of what there is nothing like here."""

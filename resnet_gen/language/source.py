"""YAML text to plain data, with the position of every key and value.

YAML is read with the scalars of YAML 1.2 (`no` is text, `1e-5` is a number). What a spec has no use for, and what makes
YAML dangerous or ambiguous, is refused: anchors and aliases, tags, duplicate keys, several documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.reader import ReaderError
from yaml.scanner import ScannerError

from resnet_gen.language.yaml_nesting import find_too_deep
from resnet_gen.problems import Document, Loc, Problem, Refused, Span, refuse, shorten
from resnet_gen.system.files import SMALL, open_regular_file, why_unread

MAX_BYTES = SMALL
MAX_DEPTH = 32
MAX_VALUES = 20_000
_TOO_DEEP = f"nested more than {MAX_DEPTH} deep, which no spec is"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SETTING = "--set"
"""Name of the document that one `--set` is."""
BEGIN = "start with 'name: my-network'"
"""What helps a spec that has no keys."""

# What plain scalars YAML 1.2 reads as numbers, and as something else than text.
INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_UNCLOSED = re.compile("flow|quoted scalar|simple key")
_QUOTED = frozenset("'\"|>")
WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Mark(NamedTuple):
    """Where a value stands and, inside a mapping, where its key stands."""

    value: Span
    key: Span | None = None


@dataclass(frozen=True)
class Source:
    """Plain data and a mark for the location of every value in it."""

    data: Any
    marks: Mapping[Loc, Mark] = field(default_factory=dict)
    joint: str = ":"
    """What stands between a key and its value, as messages write it behind a key."""

    def span(self, loc: Loc, key: bool = False) -> Span | None:
        """Position of the value (or key) at `loc`, else of its nearest parent."""
        for length in range(len(loc), -1, -1):
            mark = self.marks.get(loc[:length])
            if mark is not None:
                whole = length == len(loc) and not key
                return mark.value if whole or mark.key is None else mark.key
        return None


def read_file(path: Path, shown: str | None = None, begin: str = BEGIN) -> Source:
    """Read the YAML file at `path`; messages name it `shown`, and one about a file without keys how to `begin`.

    Raises `Refused` if it cannot be read, is not UTF-8 text of at most 1 MiB,
    or is not one YAML mapping within the limits above.
    """
    return read_text(read_document(path, shown or str(path)), begin)


def read_document(path: Path, name: str, language: str = "YAML", what: str = "spec", most: int = MAX_BYTES) -> Document:
    """The text of the file at `path`, of at most `most` bytes of UTF-8; raises `Refused` for anything else.

    Messages call the file `name`, and say what it should be: a `what` in a `language`.
    """
    try:
        with open_regular_file(path) as stream:
            raw = stream.read(most + 1)
    except FileNotFoundError:
        raise refuse("there is no such file", name) from None
    except OSError as error:
        raise refuse(why_unread(error), name) from None
    return decode_document(raw, name, language, what, most)


def decode_document(raw: bytes, name: str, language: str, what: str, most: int = MAX_BYTES) -> Document:
    """The text that bytes are, of at most `most`; raises `Refused` for anything else, as `read_document` does."""
    if len(raw) > most:
        raise refuse(f"larger than {most >> 20} MiB, which no {what} is", name)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise refuse("encoded as UTF-16", name, "save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 text: byte 0x{raw[error.start]:02x} at offset {error.start}"
        raise refuse(reason, name, "save it as UTF-8") from None
    if "\0" in text:
        raise refuse(f"a binary file, not {language}", name)
    return Document(name, text)


def read_text(document: Document, begin: str = BEGIN) -> Source:
    """Read one YAML document, which must be a mapping."""
    source = _read_yaml(document, document.text)
    if not isinstance(source.data, dict):
        what = "empty" if source.data is None else "not a mapping of keys to values"
        raise refuse(what, source.span(()) or document.name, begin)
    return source


def _read_yaml(document: Document, text: str) -> Source:
    """Read `text`, whose positions are positions in `document`."""
    reader = _Reader(document, yaml.parse(text, Loader=LOADER))
    try:
        return reader.read()
    except UnicodeEncodeError as error:
        raise refuse("not text that UTF-8 can hold", document.span_at(error.start)) from None
    except ReaderError as error:
        where = document.span_at(max(0, document.text.find(chr(error.character))))
        raise refuse(f"not YAML: {error.reason}", where) from None
    except yaml.YAMLError as error:
        raise Refused(_find_depth_ahead(reader, document, text) or _syntax_problem(error, document)) from None


def _find_depth_ahead(reader: _Reader, document: Document, text: str) -> Problem | None:
    """That brackets nest too deep in what the parser has looked at, but not handed out yet."""
    place = find_too_deep(text, reader.handed, MAX_DEPTH + 1 - reader.depth)
    return None if place is None else Problem(_TOO_DEEP, document.span_at(place))


def _syntax_problem(error: yaml.YAMLError, document: Document) -> Problem:
    words = getattr(error, "problem", None) or str(error)
    mark, opening = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    context = getattr(error, "context", None) or ""
    if mark is None:
        return Problem(f"not YAML: {words}", document.name)
    if opening and opening.line < mark.line and _UNCLOSED.search(context):
        mark = opening  # where it was opened; the parser noticed only lines later
    last = document.span_at(max(0, len(document.text.rstrip()) - 1))  # a parser may stop past the end
    span = min(Span(document, mark.line, mark.column, mark.column + 1), last, key=lambda s: (s.line, s.column))
    hint = _syntax_hint(document.line(span.line), span.column) if isinstance(error, ScannerError) else None
    return Problem(f"not YAML: {words}", span, hint)


def _syntax_hint(line: str, column: int) -> str | None:
    """What helps, by what stands where reading stopped: parsers word it differently."""
    before, found = line[:column].strip(), line[column : column + 1]
    if found == "\t":
        return "indent with spaces, not tabs"
    if found and found in "@`%":
        return "put the text in quotes"
    return "put a text that holds ': ' in quotes" if found == ":" and before else None


class _Reader:
    """Folds the parser's events into data and marks, without recursion in the parser."""

    def __init__(self, document: Document, events: Iterator[Any]) -> None:
        self.document = document
        self.events = self._count_events(events)
        self.marks: dict[Loc, Mark] = {}
        self.depth = 0
        """How many collections are open."""
        self.handed = 0
        """Where in the text the events end that the parser has handed out."""

    def _count_events(self, events: Iterator[Any]) -> Iterator[Any]:
        for event in events:
            self.handed = event.end_mark.index
            self.depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            yield event

    def read(self) -> Source:
        next(self.events)  # the stream's start
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            return Source(None)
        data = self._read_value(next(self.events), (), None)
        next(self.events)  # the document's end
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise refuse("a second document", self._span(after), "one spec a file: drop the '---'")
        return Source(data, self.marks)

    def _read_value(self, event: Any, loc: Loc, key: Span | None) -> Any:
        self._check_event(event, loc)
        self.marks[loc] = Mark(self._span(event), key)
        if isinstance(event, yaml.MappingStartEvent):
            return self._read_mapping(loc)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._read_sequence(loc)
        return self._read_scalar(event)

    def _check_event(self, event: Any, loc: Loc) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            hint = "write the value out, or share it through 'extends'"
            raise refuse("anchors and aliases are not allowed", self._span(event), hint)
        if event.tag is not None and event.tag != "!":
            tag = shorten(event.tag.replace("tag:yaml.org,2002:", "!!"))
            raise refuse(f"the tag '{tag}' is not allowed", self._span(event))
        if len(loc) > MAX_DEPTH:
            raise refuse(_TOO_DEEP, self._span(event))
        if len(self.marks) >= MAX_VALUES:
            raise refuse(f"more than {MAX_VALUES:,} values, which no spec has", self._span(event))

    def _read_mapping(self, loc: Loc) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            span = self._span(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise refuse("a key must be a plain word", span)
            self._check_event(event, loc)
            if event.value in result:
                first = self.marks[(*loc, event.value)].key
                hint = first and f"first on line {first.line + 1}"
                raise refuse(f"the key '{shorten(event.value)}' stands twice", span, hint)
            result[event.value] = None
            result[event.value] = self._read_value(next(self.events), (*loc, event.value), span)
        self._stretch_mark(event, loc)
        return result

    def _read_sequence(self, loc: Loc) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            result.append(self._read_value(event, (*loc, len(result)), None))
        self._stretch_mark(event, loc)
        return result

    def _stretch_mark(self, event: Any, loc: Loc) -> None:
        """Stretch the mark of a collection to its closing bracket, where that is on its line."""
        mark, end = self.marks[loc], event.end_mark
        if end.line == mark.value.line and end.column > mark.value.end:
            self.marks[loc] = Mark(mark.value._replace(end=end.column), mark.key)

    def _read_scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style in _QUOTED:
            return text
        if text in WORDS:
            return WORDS[text]
        if INT.match(text):
            if len(text) > 40:
                raise refuse("a number of more than 40 digits", self._span(event))
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            return int(text, base)
        return float(text) if FLOAT.match(text) else text

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        last = end.column if end.line == start.line else self.document.width(start.line)
        return Span(self.document, start.line, start.column, max(last, start.column + 1))


def overlay(base: Source, top: Source) -> Source:
    """`top` laid over `base`: mappings merge, everything else is replaced.

    A part is one choice: where `top` names another `kind`, its mapping replaces
    the base's, and a short form (`block: basic`) merges as `{kind: basic}` does.
    """
    marks: dict[Loc, Mark] = {}
    data = _merge_values(base, top, (), marks)
    return Source(data, marks)


def _merge_values(base: Source, top: Source, loc: Loc, marks: dict[Loc, Mark]) -> Any:
    old, new = value_at(base.data, loc), value_at(top.data, loc)
    if isinstance(new, str) and isinstance(old, dict) and old.get("kind") == new:
        _copy_marks(base, loc, marks)
        marks[loc] = marks[(*loc, "kind")] = top.marks[loc]
        return old
    if isinstance(new, dict) and isinstance(old, str) and "kind" not in new:
        old = {"kind": old}
        marks[(*loc, "kind")] = base.marks[loc]
    if not (isinstance(old, dict) and isinstance(new, dict)) or _has_other_kind(old, new):
        _copy_marks(top, loc, marks)
        return new
    marks[loc] = top.marks.get(loc) or base.marks[loc]
    merged: dict[str, Any] = {}
    for key in [*old, *(k for k in new if k not in old)]:
        inner = (*loc, key)
        if key in new and key in old and isinstance(value_at(base.data, loc), dict):
            merged[key] = _merge_values(base, top, inner, marks)
        elif key in new:
            merged[key] = new[key]
            _copy_marks(top, inner, marks)
        else:
            merged[key] = old[key]
            _copy_marks(base, inner, marks)
    return merged


def _has_other_kind(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return "kind" in new and new["kind"] != old.get("kind")


def _copy_marks(source: Source, loc: Loc, marks: dict[Loc, Mark]) -> None:
    """Take over the marks of the value at `loc` and of all that is in it."""
    if loc in source.marks:
        marks[loc] = source.marks[loc]
    value = value_at(source.data, loc)
    inner = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    if isinstance(value, list) and (*loc, 0) not in source.marks:
        return  # what a file beside the text says, as labels do, has no place in it
    for step in inner:
        _copy_marks(source, (*loc, step), marks)


def dotted_path(loc: Loc) -> str:
    """A place as it is written in words: `stages.block`."""
    return ".".join(map(str, loc))


def value_at(data: Any, loc: Loc) -> Any:
    """The value at `loc` in plain data; None where there is none."""
    for step in loc:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def parse_setting(text: str) -> Source:
    """One `--set key.path=value` as a source whose marks point into its text."""
    key, equals, value = text.partition("=")
    path = _split_path(key)
    document = Document(SETTING, text)
    if any(step.isdecimal() for step in path):
        hint = "lists are replaced whole, as in --set 'stages.depths=[3,4,23,3]'"
        raise refuse("one value of a list cannot be set", Span(document, 0, 0, max(1, len(key))), hint)
    if not equals or not all(path) or len(path) > MAX_DEPTH:
        hint = "write --set key=value, as in --set 'stages.depths=[3,4,23,3]'"
        raise refuse("not of the form key=value", Span(document, 0, 0, max(1, len(text))), hint)
    inner = _read_yaml(document, " " * (len(key) + 1) + value)
    loc: Loc = tuple(path)
    span = Span(document, 0, 0, len(key))
    marks = {loc[:n]: Mark(Span(document, 0, 0, len(text)), span) for n in range(len(loc) + 1)}
    for place, mark in inner.marks.items():
        marks[loc + place] = Mark(mark.value, mark.key or span)
    data: Any = inner.data
    for step in reversed(path):
        data = {step: data}
    return Source(data, marks)


def _split_path(key: str) -> list[str]:
    """The keys on a path; that of an override holds a dot where it is for blocks: `stage1.block2`."""
    steps = [step.strip() for step in key.split(".")]
    if steps[:2] == ["stages", "overrides"] and len(steps) > 3 and re.fullmatch(r"block\d[\d-]*", steps[3]):
        steps[2:4] = [".".join(steps[2:4])]
    return steps

"""Positions in TOML: for any data, written in any style, each value is found where it stands."""

import json
import math
import re
import sys
from datetime import date, datetime, time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from resnet_gen.problems import Document, Span
from resnet_gen.project.lock import lock_text, read_lock
from resnet_gen.project.project_file import read_project
from resnet_gen.project.toml_positions import places
from resnet_gen.project.toml_source import read_toml
from tests.properties.test_specs import examples, refusal, well_said

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", "a.b", "it's", 'say "x"', '""', "'''", "# no comment", "[x]", "\n", "\\", "two\nlines", "=", "\r\n"]
)
NUMBERS = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False)
TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 1, 1)) | st.dates() | st.times()
SCALARS = TEXTS | NUMBERS | st.booleans() | TIMES
DATA = st.recursive(
    st.dictionaries(TEXTS, SCALARS, max_size=3),
    lambda inner: st.dictionaries(TEXTS, SCALARS | inner | st.lists(SCALARS | inner, max_size=3), max_size=4),
    max_leaves=12,
)


class Writer:
    """Writes data as TOML, drawing the style of each piece."""

    def __init__(self, draw):
        self.draw = draw
        self.lines = []

    def one_of(self, *choices):
        return self.draw(st.sampled_from(choices))

    def space(self):
        return self.one_of("", " ", "\t ")

    def gap(self):
        """What may stand between the pieces of an array."""
        return self.one_of("", " ", "\n", " # ], } and \" '''\n  ")

    def string(self, value, key=False):
        styles = [escaped(value)]
        plain = all(c == "\t" or (c.isprintable() and c != "\x7f") for c in value)
        if plain and "'" not in value:
            styles.append(f"'{value}'")
        if key and re.fullmatch(r"[A-Za-z0-9_-]+", value):
            styles.append(value)
        if not key:
            styles.append(f'""{escaped(value)}""' if value else '""""""')
            styles.append('"""\n' + escaped(value)[1:-1] + '\\\n  """')
        if plain and not key and "'''" not in value:
            styles.append(f"'''{value}'''")
        if plain and not key and '"""' not in value and "\\" not in value:
            styles.append(f'"""{value}"""')  # which may end in quotes of its own
        return self.one_of(*styles)

    def value(self, value):
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return number(value)
        if isinstance(value, (date, time)):
            return value.isoformat()
        if isinstance(value, list):
            inner = ",".join(f"{self.gap()}{self.value(item)}{self.gap()}" for item in value)
            comma = self.one_of("", ",") if value else ""
            return f"[{inner}{comma}{self.gap()}]"
        pairs = (f"{self.space()}{self.pair([key], item)}{self.space()}" for key, item in value.items())
        return f"{{{','.join(pairs)}}}"

    def pair(self, keys, value):
        """`a.b = value`; a table may become a dotted key."""
        if isinstance(value, dict) and len(value) == 1 and self.one_of(True, False):
            ((key, inner),) = value.items()
            return self.pair([*keys, key], inner)
        return f"{self.dotted(keys)}{self.space()}={self.space()}{self.value(value)}"

    def dotted(self, keys):
        return f"{self.space()}.{self.space()}".join(self.string(key, key=True) for key in keys)

    def table(self, path, table):
        own, later = {}, {}
        for key, value in table.items():
            nested = isinstance(value, dict) or (isinstance(value, list) and value and all_tables(value))
            (later if nested and self.one_of(True, False) else own)[key] = value
        for key, value in own.items():
            self.line(self.pair([key], value))
        for key, value in later.items():
            for inner in value if isinstance(value, list) else [value]:
                left, right = ("[[", "]]") if isinstance(value, list) else ("[", "]")
                self.line(f"{left}{self.space()}{self.dotted([*path, key])}{self.space()}{right}")
                self.table([*path, key], inner)

    def line(self, text):
        self.lines.append(f"{self.space()}{text}{self.space()}{self.one_of('', '# x = [1')}")
        self.lines.extend(self.one_of([], ["", "  # [no.table]"]))


def all_tables(values):
    return all(isinstance(value, dict) for value in values)


def escaped(text):
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def number(value):
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(value)


@st.composite
def documents(draw):
    data = draw(DATA)
    writer = Writer(draw)
    writer.table([], data)
    return data, draw(st.sampled_from(["\n", "\r\n"])).join(writer.lines)


def leaves(data, loc=()):
    """Every value that stands in one place: tables, and arrays of them, may stand in several."""
    if isinstance(data, (dict, list)):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, (*loc, key))
    if not isinstance(data, dict) and not (isinstance(data, list) and data and all_tables(data)):
        yield loc, data


def every(data, loc=()):
    yield loc
    if isinstance(data, (dict, list)):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from every(value, (*loc, key))


@given(documents())
@examples(200)
def test_every_value_is_found_where_it_is_written(drawn):
    data, text = drawn
    document = Document("x.toml", text)
    source = read_toml(document)
    assert source.data == tomllib.loads(text)
    assert source.data == data
    found = places(document)
    assert set(found) == set(every(data)) == set(source.marks)
    for loc, value in leaves(data):
        start, end = found[loc].value
        assert tomllib.loads(f"x = {text[start:end]}")["x"] == value
        if found[loc].key and isinstance(loc[-1], str):
            first, last = found[loc].key
            keys = tomllib.loads(f"{text[first:last]} = 0")
            while isinstance(keys, dict):
                ((name, keys),) = keys.items()
            assert name == loc[-1]


@given(documents(), st.data())
@examples(200)
def test_text_that_is_no_toml_is_refused_with_words(drawn, data):
    """Whatever is cut out of or put into a text, it is read as Python reads it, or refused."""
    text = drawn[1]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 4)))
    text = text[:start] + data.draw(st.text(alphabet="=[]{}\"'.,#\n\\ a1-", max_size=3)) + text[end:]
    document = Document("x.toml", text)
    refused = refusal(read_toml, document)
    if refused:
        well_said(refused)
    else:
        assert read_toml(document).data == tomllib.loads(text)
        assert set(places(document)) == set(every(tomllib.loads(text)))
    assert all(isinstance(p.where, Span) for p in (refused.problems if refused else ()))


LOCK = (
    (Path(__file__).parents[2] / "specs" / "resnet-gen.lock")
    .read_text(encoding="utf-8")
    .partition("\n\n[networks.cb")[0]
)
PROJECT = """\
specs = ["networks/*.yaml", "resnet50"]
ignore = ["claim"]
[budgets."resnet*"]
params = {min = 10, max = "25.6M"}
latency = [{target = "l4", precision = "fp16", batch = 1, max = 2.5}]
onnx_size.max = "100 MiB"
"""


PIECES = ["=", '"', "]", "[[x]]\n", "{", "\n", "-1", "nan", "1e400", "9" * 70, "<<<<<<< a\n"]


@st.composite
def mutated(draw, text):
    """A text with a stretch of it cut out, doubled, or replaced by other pieces of it."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        stretch = text[start : start + draw(st.integers(0, 12))]
        other = draw(
            st.sampled_from(["", stretch * 2, "=", '"', "]", "[[x]]\n", "{", "\n", "-1", "nan", "1e400", "9" * 70])
        )
        text = text[:start] + other + text[start + len(stretch) :]
    return text


def from_file(read, name, text, folder):
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return refusal(read, path)


@given(mutated(PROJECT))
@examples(150)
def test_a_mutated_project_file_is_read_or_refused_with_words(tmp_path_factory, text):
    refused = from_file(lambda path: read_project(path).settings, "x.toml", text, tmp_path_factory.getbasetemp())
    if refused:
        well_said(refused)


@given(mutated(LOCK))
@examples(150)
def test_a_mutated_lock_is_refused_with_words_or_says_what_it_says(tmp_path_factory, text):
    """What is read is written again as it was read: nothing in a lock is passed over in silence."""
    found = []
    folder = tmp_path_factory.getbasetemp()
    refused = from_file(lambda path: found.append(read_lock(path, "x.lock")), "x.lock", text, folder)
    if refused:
        well_said(refused)
    else:
        (lock,) = found
        assert read_toml(Document("again", lock_text(lock.networks))).data == lock.source.data


@given(st.dictionaries(st.sampled_from(["specs", "select", "ignore", "lock", "budgets"]), SCALARS | DATA))
@examples(100)
def test_any_data_are_settings_or_refused_with_words(tmp_path_factory, data):
    lines = [f"{key} = {plain(value)}" for key, value in data.items()]
    folder = tmp_path_factory.getbasetemp()
    refused = from_file(lambda path: read_project(path).settings, "x.toml", "\n".join(lines), folder)
    if refused:
        well_said(refused)


def plain(value):
    """A value as TOML, in one style."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{escaped(key)} = {plain(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, (int, float)) else value.isoformat()

"""TOML with positions: where values stand, and what is refused before a reader chokes on it."""

import time

import pytest

from resnet_gen.problems import Document, Refused
from resnet_gen.project.toml_source import read_toml
from tests.helpers.wording import without_wording

TEXT = '''\
# a comment with [brackets] = "and more"
title = "text"   # behind
"quoted \\" key".'literal' = 'C:\\path'
[table."a.b"]
list = [ 1, # one
  [2.5, true], {k = "v"} ]
words = """
two " lines ""\\
"""
raw = \'\'\'it's\'\'\'
day = 1979-05-27 07:32:00  # no T
[[rows]]
n = 0x_1
[[rows]]
[rows.inner]
n = -inf
[rows.inner.deeper]
'''.replace("0x_1", "0xdead_beef")


@pytest.fixture(scope="module")
def source():
    return read_toml(Document("x.toml", TEXT))


@pytest.mark.parametrize(
    ("loc", "line", "stretch"),
    [
        (("title",), 2, '"text"'),
        (('quoted " key', "literal"), 3, "'C:\\path'"),
        (("table", "a.b", "list"), 5, "[ 1, # one"),
        (("table", "a.b", "list", 0), 5, "1"),
        (("table", "a.b", "list", 1), 6, "[2.5, true]"),
        (("table", "a.b", "list", 1, 1), 6, "true"),
        (("table", "a.b", "list", 2, "k"), 6, '"v"'),
        (("table", "a.b", "words"), 7, '"""'),
        (("table", "a.b", "raw"), 10, "'''it's'''"),
        (("table", "a.b", "day"), 11, "1979-05-27 07:32:00"),
        (("rows", 0, "n"), 13, "0xdead_beef"),
        (("rows", 1), 14, "rows"),
        (("rows", 1, "inner", "n"), 16, "-inf"),
        (("rows", 1, "inner", "deeper"), 17, "rows.inner.deeper"),
    ],
)
def test_a_value_stands_where_it_is_written(source, loc, line, stretch):
    span = source.span(loc)
    assert (span.line + 1, TEXT.splitlines()[span.line][span.column : span.end]) == (line, stretch)


@pytest.mark.parametrize(
    ("loc", "line", "stretch"),
    [
        (("title",), 2, "title"),
        (('quoted " key', "literal"), 3, '"quoted \\" key".\'literal\''),
        (("table",), 4, 'table."a.b"'),
        (("table", "a.b", "list", 2, "k"), 6, "k"),
        (("rows", 0, "missing"), 12, "rows"),
        (("rows",), 12, "rows"),
    ],
)
def test_a_key_stands_where_it_is_named_first(source, loc, line, stretch):
    span = source.span(loc, key=True)
    assert (span.line + 1, TEXT.splitlines()[span.line][span.column : span.end]) == (line, stretch)


def test_lines_end_as_they_do_on_windows():
    source = read_toml(Document("x.toml", "a = 1\r\nb = [\r\n  2,\r\n]\r\n"))
    assert source.data == {"a": 1, "b": [2]}
    assert str(source.span(("b", 0))) == "x.toml:3:3"


def test_an_empty_file_is_an_empty_table():
    source = read_toml(Document("x.toml", ""))
    assert source.data == {}
    assert str(source.span(("anything",))) == "x.toml:1:1"


HOSTILE = {
    "arrays": "a = " + "[" * 200_000,
    "inline tables": "a = " + "{a=" * 200_000,
    "dotted keys": "a." * 200_000 + "a = 1",
    "headers": "[" + "a." * 200_000 + "a]",
    "digits": "a = 1" + "0" * 200_000,
    "backslashes": 'a = "' + "\\\\" * 200_000,
    "quotes": 'a = """' + '""' * 200_000,
    "comments": "#" * 200_000 + "\n" + "# x\n" * 50_000 + "=",
    "blanks": " \n\t" * 200_000 + "=",
    "tables": "[[a]]\n" * 30_000 + "=",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_soon(name):
    start = time.process_time()
    with pytest.raises(Refused):
        read_toml(Document("x.toml", HOSTILE[name]))
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = {b = 1, b = 2}", "x.toml:1:13: error: the key 'b' stands twice"),
        ("a.b = 1\na = 2", "x.toml:2:5: error: not TOML: ..."),
        ("a = 1 b", "x.toml:1:7: error: not TOML: ..."),
        ("a = 2024-13-01", "x.toml:1:9: error: not TOML: ..."),
        ("a = [1, 2", "x.toml:1:9: error: not TOML: ..."),
        ("\n\n]", "x.toml:3:1: error: not TOML: ..."),
    ],
)
def test_what_is_no_toml_is_refused_at_its_place(text, message):
    with pytest.raises(Refused) as refused:
        read_toml(Document("x.toml", text))
    assert without_wording(str(refused.value)).splitlines()[0] == message

"""YAML text to plain data and positions, and everything that is not read."""

import math
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from resnet_gen.language.source import MAX_BYTES, Mark, Source, overlay, parse_setting, read_file, read_text, value_at
from resnet_gen.problems import Document, Refused
from tests.helpers.wording import without_wording


def read(text):
    return read_text(Document("f", text))


def refusal(call, *args):
    """The one problem with which a call is refused."""
    with pytest.raises(Refused) as caught:
        call(*args)
    (problem,) = caught.value.problems
    return problem


def position(span):
    return (span.line + 1, span.column + 1, span.end + 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-3", -3), ("+4", 4), ("007", 7), ("0o17", 15), ("0x1F", 31), ("0", 0),
        ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e-5", 1e-5), ("-1.5E+3", -1500.0), ("1e3", 1000.0),
        ("true", True), ("True", True), ("FALSE", False), ("false", False),
        ("null", None), ("~", None), ("Null", None), ("", None),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("12:30", "12:30"), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"), ("0b11", "0b11"), ("1.2.3", "1.2.3"),
        (".inf", ".inf"), (".nan", ".nan"), ("1e", "1e"), ("0x", "0x"), ("tRue", "tRue"), ("- 3", [3]),
        ("'12'", "12"), ('"true"', "true"), ("''", ""), ('"\\u00e9"', "\u00e9"), ("! 12", 12),
        ("resnet", "resnet"), ("\U0001f600 x", "\U0001f600 x"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text, value):
    data = read(f"a:\n  {text}\n").data["a"]
    assert (type(data), data) == (type(value), value)


def test_integers_and_floats_are_told_apart():
    assert [type(v) for v in read("a: [1, 1.0, 1e0]").data["a"]] == [int, float, float]


def test_a_number_too_large_for_a_float_is_infinite():
    assert math.isinf(read("a: 1e999").data["a"])


def test_block_scalars_are_text():
    assert read("a: |\n  12\n\n  x\nb: >-\n  true\n").data == {"a": "12\n\nx\n", "b": "true"}


def test_nested_collections_keep_their_order():
    data = read("b: {y: [1, {z: 2}], x: []}\na: {}\n").data
    assert data == {"b": {"y": [1, {"z": 2}], "x": []}, "a": {}}
    assert list(data) == ["b", "a"]
    assert list(data["b"]) == ["y", "x"]


@pytest.mark.parametrize(
    ("loc", "value", "key"),
    [
        (("name",), (1, 7, 10), (1, 1, 5)),
        (("stages", "depths"), (3, 11, 17), (3, 3, 9)),
        (("stages", "depths", 1), (3, 15, 16), None),
        (("stages", "block"), (4, 10, 30), (4, 3, 8)),
        (("stages", "block", "kind"), (4, 17, 22), (4, 11, 15)),
        (("t",), (5, 9, 14), (5, 1, 4)),
    ],
)
def test_every_value_and_key_has_its_position(loc, value, key):
    source = read('name: net\nstages:\n  depths: [3, 4]\n  block: {kind: basic, \u00e9: \U0001f600b}\n"t":    "a b"\n')
    mark = source.marks[loc]
    assert position(mark.value) == value
    assert (mark.key and position(mark.key)) == key


def test_a_list_over_several_lines_is_placed_at_its_opening_bracket():
    assert position(read("a: [1,\n        2]").span(("a",))) == (1, 4, 5)


def test_a_byte_order_mark_moves_no_position(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: net")
    span = read_file(path).span(("name",))
    assert span.excerpt() == "   1 | name: net\n             ^^^"


def test_columns_count_characters_not_bytes():
    source = read("{\u00e9\u00e9: 1, \U0001f600: bad}")
    assert position(source.span(("\U0001f600",))) == (1, 12, 15)
    assert position(source.span(("\U0001f600",), key=True)) == (1, 9, 10)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028"])
def test_the_excerpt_of_a_position_shows_its_line_whatever_ends_lines(end):
    span = read(f"a: 1{end}b: bad{end}").span(("b",))
    assert span.excerpt().split("\n")[0] == "   2 | b: bad"


@given(st.text(alphabet="a \u00e9\U0001f600\ud83d\r\n\x85\u2028\u2029\x0b"), st.integers(0, 9), st.integers(0, 9))
def test_lines_and_their_columns_are_those_of_a_text_that_is_taken_apart(text, first, last):
    document = Document("f", text)
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", text)
    for number, line in enumerate([*lines, "", ""]):
        assert document.line(number) == line
        assert document.line(number, first) == line[first:]
        assert document.line(number, first, last) == line[first:last]
        assert document.width(number) == len(line)
        units = len(line[:last].encode("utf-16-le", "surrogatepass")) // 2
        assert document.utf16_column(number, last) == units


def test_a_missing_value_is_placed_at_its_nearest_parent():
    source = read("a:\n  b: {c: 1}\n")
    assert position(source.span(("a", "b", "x", "y"))) == (2, 3, 4)
    assert position(source.span(("x",))) == (1, 1, 2)
    assert Source({}).span(("x",)) is None


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("a: 1\nb: 2\na: 3", "the key 'a' stands twice", (3, 1)),
        ("x: {a: 1, 'a': 2}", "the key 'a' stands twice", (1, 11)),
        ("a:\na:", "the key 'a' stands twice", (2, 1)),
        (f"{'k' * 99}: 1\n{'k' * 99}: 2", f"the key '{'k' * 57}...' stands twice", (2, 1)),
        ("a: &x 1", "anchors and aliases are not allowed", (1, 4)),
        ("a: *x", "anchors and aliases are not allowed", (1, 4)),
        ("&x a: 1", "anchors and aliases are not allowed", (1, 1)),
        ("? *x\n: 1", "a key must be a plain word", (1, 3)),
        ("a: {<<: *x}", "anchors and aliases are not allowed", (1, 9)),
        ("a: !!str 1", "the tag '!!str' is not allowed", (1, 4)),
        ("a: !!python/object/apply:os.system [ls]", "the tag '!!python/object/apply:os.system' is not allowed", (1, 4)),
        ("a: !mine {}", "the tag '!mine' is not allowed", (1, 4)),
        ("!mine a: 1", "the tag '!mine' is not allowed", (1, 1)),
        ("[a]: 1", "a key must be a plain word", (1, 1)),
        ("a: 1\n---\nb: 2", "a second document", (2, 1)),
        ("- a", "not a mapping of keys to values", (1, 1)),
        ("text", "not a mapping of keys to values", (1, 1)),
        ("~", "empty", (1, 1)),
        ("a: " + "9" * 41, "a number of more than 40 digits", (1, 4)),
        ("a: " + "[" * 50, "nested more than 32 deep, which no spec is", (1, 36)),
        ("a: " + "{b: " * 50, "nested more than 32 deep, which no spec is", (1, 132)),
        ("a: {\n b: [1, 2\nc: 3", "not YAML: ...", (2, 5)),
        ("a: 1\nb: 'x\ny", "not YAML: ...", (2, 4)),
        ("a: 1\nb\nc: 1", "not YAML: ...", (2, 1)),
        ("{a: 1 b: 2}", "not YAML: ...", (1, 8)),
        ("a:\n\tb: 1", "not YAML: ...", (2, 1)),
        ("a: b: c", "not YAML: ...", (1, 5)),
        ("a: 1\n\u00e9: x\x07y", "not YAML: ...", (2, 5)),
        ("a: \udcff", "not text that UTF-8 can hold", (1, 4)),
    ],
)
def test_what_is_not_read_is_refused_where_it_stands(text, message, place):
    problem = refusal(read, text)
    assert without_wording(str(problem)).splitlines()[0].partition("error: ")[2] == message
    assert position(problem.where)[:2] == place


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a: 1\nb: 2\na: 3", "first on line 1"),
        ("a:\n\t- 1", "indent with spaces, not tabs"),
        ("a: `b", "put the text in quotes"),
        ("a: b: c", "put a text that holds ': ' in quotes"),
        ("a: *x", "write the value out, or share it through 'extends'"),
        ("a: 1\n---\n", "one spec a file: drop the '---'"),
        ("- a", "start with 'name: my-network'"),
    ],
)
def test_a_refusal_says_what_to_do(text, hint):
    assert refusal(read, text).hint == hint


@pytest.mark.parametrize("text", ["", "# only this\n", "\n\n", "---\n", "--- # a\n...\n"])
def test_an_empty_text_is_refused(text):
    assert refusal(read, text).message == "empty"


def test_an_alias_bomb_is_refused_before_it_grows():
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    assert refusal(read, bomb).message == "anchors and aliases are not allowed"


def test_more_values_than_any_spec_has_are_refused():
    assert refusal(read, "a: [" + "1," * 100_000 + "]").message == "more than 20,000 values, which no spec has"


LOADERS = {"libyaml": getattr(yaml, "CSafeLoader", yaml.SafeLoader), "python": yaml.SafeLoader}


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("times", [34, 100, 999, 1001, 100_000])
@pytest.mark.parametrize("opening", ["[", "[ ", "[[", "{a: ", "[{a: ", "[1, ", '["x", ', "[\n", "- "])
def test_what_nests_too_deep_is_refused_in_our_words_without_recursion(monkeypatch, loader, opening, times):
    """Parsers have bounds of their own, which some reach while they look ahead."""
    monkeypatch.setattr("resnet_gen.language.source.LOADER", loader)
    problem = refusal(read, opening * min(times, 300_000 // len(opening)))
    assert problem.message == "nested more than 32 deep, which no spec is"
    assert problem.where.line < 50


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize(
    "text", ["a: [" + "[]," * 400 + "}", 'a: "' + "[" * 900, "a: b" + "[" * 900 + ": c: d", "#" + "[" * 999 + "\n]"]
)
def test_brackets_that_do_not_nest_are_not_taken_for_nesting(monkeypatch, loader, text):
    monkeypatch.setattr("resnet_gen.language.source.LOADER", loader)
    assert refusal(read, text).message.startswith("not YAML: ")


@pytest.mark.parametrize(
    "raw", [b"\xef\xbb\xbfname: n\n", b"name: n\r\n", b"--- \nname: n\n", b"%YAML 1.2\n---\nname: n\n"]
)
def test_a_file_may_have_a_byte_order_mark_and_any_line_ends(tmp_path, raw):
    path = tmp_path / "net.yaml"
    path.write_bytes(raw)
    assert read_file(path).data == {"name": "n"}


@pytest.mark.parametrize(
    ("raw", "message", "hint"),
    [
        (b"title: caf\xe9\n", "not UTF-8 text: byte 0xe9 at offset 10", "save it as UTF-8"),
        ("name: n".encode("utf-16"), "encoded as UTF-16", "save it as UTF-8"),
        (b"\xfe\xff" + "name: n".encode("utf-16-be"), "encoded as UTF-16", "save it as UTF-8"),
        (b"name\0: n", "a binary file, not YAML", None),
        (b"#" * (MAX_BYTES + 1), "larger than 1 MiB, which no spec is", None),
        (b"", "empty", "start with 'name: my-network'"),
    ],
)
def test_a_file_that_is_no_text_is_refused_by_its_name(tmp_path, raw, message, hint):
    path = tmp_path / "net.yaml"
    path.write_bytes(raw)
    problem = refusal(read_file, path, "shown.yaml")
    assert (problem.message, problem.where, problem.hint) == (message, "shown.yaml", hint)


def test_a_file_of_exactly_1_mib_is_read(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_bytes(b"a: 1\n#" + b"x" * (MAX_BYTES - 6))
    assert read_file(path).data == {"a": 1}


def test_a_file_that_is_not_there_and_one_that_is_no_file(tmp_path):
    assert refusal(read_file, tmp_path / "no.yaml").message == "there is no such file"
    assert refusal(read_file, tmp_path).message == "not a file"
    assert refusal(read_file, tmp_path / ("n" * 300 + ".yaml")).message.startswith("cannot be read: ")


def test_positions_in_a_file_name_it_as_shown(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("a: 1\na: 2\n")
    assert str(refusal(read_file, path, "my/net.yaml").where) == "my/net.yaml:2:1"
    assert str(refusal(read_file, path).where) == f"{path}:2:1"


@pytest.mark.parametrize(
    ("base", "top", "merged"),
    [
        ("a: 1\nb: 2", "b: 3\nc: 4", {"a": 1, "b": 3, "c": 4}),
        ("a: {x: 1, y: {z: 2}}", "a: {y: {w: 3}}", {"a": {"x": 1, "y": {"z": 2, "w": 3}}}),
        ("a: [1, 2, 3]", "a: [4]", {"a": [4]}),
        ("a: {x: 1}", "a: 2", {"a": 2}),
        ("a: 1", "a: {x: 2}", {"a": {"x": 2}}),
        ("a: {x: 1}", "a:", {"a": None}),
        ("p: {kind: one, x: 1}", "p: {kind: two, y: 2}", {"p": {"kind": "two", "y": 2}}),
        ("p: {kind: one, x: 1}", "p: {kind: one, y: 2}", {"p": {"kind": "one", "x": 1, "y": 2}}),
        ("p: {kind: one, x: 1}", "p: {y: 2}", {"p": {"kind": "one", "x": 1, "y": 2}}),
        ("p: {kind: one, x: 1}", "p: two", {"p": "two"}),
        ("p: {kind: one, x: 1}", "p: one", {"p": {"kind": "one", "x": 1}}),
        ("p: one", "p: {y: 2}", {"p": {"kind": "one", "y": 2}}),
        ("p: one", "p: {kind: two, y: 2}", {"p": {"kind": "two", "y": 2}}),
        ("p: [1]", "p: {first: 2}", {"p": {"first": 2}}),
    ],
)
def test_overlay_merges_mappings_and_replaces_all_else(base, top, merged):
    assert overlay(read(base), read(top)).data == merged


def test_overlay_leaves_both_sources_as_they_were():
    base, top = read("a: {x: 1}"), read("a: {y: 2}")
    overlay(base, top)
    assert (base.data, top.data) == ({"a": {"x": 1}}, {"a": {"y": 2}})


@pytest.mark.parametrize(
    ("loc", "place"),
    [
        ((), "top:1:1"),
        (("a",), "top:1:4"),
        (("a", "x"), "base:1:8"),
        (("a", "y"), "top:1:8"),
        (("b", 0), "base:2:5"),
        (("c", 0), "top:2:5"),
        (("c",), "top:2:4"),
        (("p", "kind"), "base:4:4"),
        (("p", "s"), "top:3:8"),
        (("q", "kind"), "top:4:4"),
        (("q", "t"), "base:5:19"),
    ],
)
def test_overlaid_values_remember_where_they_were_written(loc, place):
    base = "a: {x: 1, y: 2}\nb: [1]\nc: [1, 2]\np: one\nq: {kind: two, t: 3}\n"
    top = "a: {y: 3}\nc: [9]\np: {s: 1}\nq: two\n"
    source = overlay(read_text(Document("base", base)), read_text(Document("top", top)))
    assert str(source.marks[loc].value) == place


def test_every_value_of_an_overlay_has_a_mark_and_no_mark_is_left_over():
    base = read("a: {kind: one, x: [1, 2, 3]}\nb: {c: {d: 1}}\nl: [[1], [2]]")
    source = overlay(base, read("a: {kind: two, y: [1]}\nb: {c: 2}\nl: [[3]]\nm: {n: [1]}"))
    assert set(source.marks) == set(locations(source.data))


def locations(data, loc=()):
    yield loc
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in inner:
        yield from locations(value, (*loc, step))


@pytest.mark.parametrize(
    ("loc", "value"),
    [((), {"a": [1, {"b": 2}]}), (("a", 1, "b"), 2), (("a", 2), None), (("x", "y"), None), (("a", 0, "z"), None)],
)
def test_at_follows_a_location_or_finds_nothing(loc, value):
    assert value_at({"a": [1, {"b": 2}]}, loc) == value


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a=1", {"a": 1}),
        ("stages.depths=[3,4,23,3]", {"stages": {"depths": [3, 4, 23, 3]}}),
        ("block={kind: basic}", {"block": {"kind": "basic"}}),
        ("norm=none", {"norm": "none"}),
        ("title=a=b", {"title": "a=b"}),
        ("title='no'", {"title": "no"}),
        ("a=", {"a": None}),
        (" a . b = 3 ", {"a": {"b": 3}}),
        ("stages.overrides.stage1.attention=se", {"stages": {"overrides": {"stage1": {"attention": "se"}}}}),
        (
            "stages.overrides.stage1.block.kind=basic",
            {"stages": {"overrides": {"stage1": {"block": {"kind": "basic"}}}}},
        ),
        (
            "stages.overrides.stage1-2.block1-3.block=basic",
            {"stages": {"overrides": {"stage1-2.block1-3": {"block": "basic"}}}},
        ),
        (
            "stages.overrides.stage1.block2={block: basic}",
            {"stages": {"overrides": {"stage1.block2": {"block": "basic"}}}},
        ),
    ],
)
def test_a_setting_is_a_path_and_a_yaml_value(text, data):
    assert parse_setting(text).data == data


@pytest.mark.parametrize("text", ["", "a", "=", "=1", "a.=1", ".a=1", "a..b=1", " =1", ".".join("a" * 40) + "=1"])
def test_a_setting_without_a_path_or_an_equals_sign_is_refused(text):
    problem = refusal(parse_setting, text)
    assert problem.message == "not of the form key=value"
    assert problem.hint == "write --set key=value, as in --set 'stages.depths=[3,4,23,3]'"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a=[1, 2", "--set:1:3: error: not YAML: ...\n   1 | a=[1, 2\n         ^"),
        ("a.b=*x", "--set:1:5: error: anchors and aliases are not allowed\n   1 | a.b=*x\n           ^^"),
        ("a={b: 1, b: 2}", "--set:1:10: error: the key 'b' stands twice\n   1 | a={b: 1, b: 2}\n                ^"),
        ("a=\udcff", "--set:1:3: error: not text that UTF-8 can hold"),
    ],
)
def test_a_fault_in_a_setting_is_shown_within_the_whole_setting(text, shown):
    assert without_wording(str(refusal(parse_setting, text))).startswith(shown)


def test_positions_in_a_setting_point_into_its_text():
    source = parse_setting("stages.block={kind: basic}")
    assert position(source.span(("stages", "block", "kind"))) == (1, 21, 26)
    assert position(source.span(("stages", "block"), key=True)) == (1, 1, 13)
    assert position(source.span(("stages", "block"))) == (1, 14, 27)


def test_a_mark_of_a_list_item_has_no_key():
    assert read("a: [1]").marks[("a", 0)] == Mark(read("a: [1]").span(("a", 0)))

"""Text of anybody's as it is printed: every character shows, nothing is a command, and data stay what they were."""

import json
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_gen.compare.formats.markdown import escape_markdown, format_code
from resnet_gen.language.source import read_text
from resnet_gen.language.yaml_writer import dump, dump_inline
from resnet_gen.problems import Document, json_text, visible, visible_line, visible_lines

ADDRESSES = ["@octocat", "www.example.org", "https://example.org", "#1", "0123abcdef", "GH-1"]
ASCII = [*ADDRESSES, "error", "<b>", "|", "`", "\\", "x", "::", "##[", "##vso[x]"]
PIECES = [*ASCII, " ", "\n", "\r", "\x1b", "\u202e", "\u200b", "\u2028", "\x85", "é", "\u3164"]
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join))
HELD = TEXTS.filter(lambda text: not any("\ud800" <= c <= "\udfff" or c == "\0" for c in text))
"""What YAML can hold."""


def shows(text):
    categories = {unicodedata.category(c) for c in text}
    return not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} and text.isprintable() and "\u3164" not in text


@given(TEXTS)
def test_a_visible_text_is_a_line_without_commands(text):
    for shown in (visible(text), visible_line(text), *visible_lines(text).split("\n")):
        assert shows(shown)
        assert "##[" not in shown
        assert "##vso[" not in shown
    assert not visible_line(text).lstrip().startswith("::")
    assert visible_line(visible_line(text)) == visible_line(text)
    if text.isascii() and text.isprintable() and "##" not in text and "::" not in text:
        assert visible_line(text) == text


@given(st.dictionaries(TEXTS, TEXTS))
def test_json_is_visible_and_reads_back(data):
    for indent in (None, 2):
        text = json_text(data, indent)
        assert json.loads(text) == data
        assert all(shows(line) and "##[" not in line for line in text.split("\n"))
        assert text.isascii()


@settings(deadline=None)
@given(
    st.dictionaries(HELD, st.one_of(HELD, st.lists(HELD), st.text("ab :", min_size=90).map("x{} ::error::x".format)))
)
def test_yaml_is_visible_and_reads_back(data):
    for made in (dump(data), dump_inline(data)):
        if data:
            assert read_text(Document("x", made)).data == data
        for line in made.split("\n"):
            assert shows(line)
            assert "##[" not in line
            assert not line.lstrip().startswith("::")


@given(TEXTS)
def test_markdown_is_text_and_visible_before_it_is_rendered(text):
    for made in (escape_markdown(text), format_code(text)):
        assert shows(made)
        inside = made.removeprefix("<code>").removesuffix("</code>")
        assert not set(inside) & set("<>@`|[]*_~\\!")
        for live in ("www.", "://"):
            assert live not in inside

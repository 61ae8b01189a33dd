"""Texts in Markdown, read back by markdown-it."""

import re

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from resnet_gen.problems import visible
from resnet_gen.system.templates import code, markdown

READER = MarkdownIt("gfm-like", {"linkify": False})
TEXTS = st.text(st.sampled_from("ab1 ~#_&;<>()[]!*`|+-=.:\\\"'\n\t"), max_size=30).filter(str.strip)


def inline(line):
    """The pieces of the one paragraph that a line is."""
    begin, inside, end = READER.parse(f"before\n\n{line}\n\nafter\n")[3:-3]
    assert (begin.type, end.type) == ("paragraph_open", "paragraph_close")
    return inside.children


@given(TEXTS)
@example("~~~")
@example("# Heading")
@example("1. a")
@example("10) a")
@example("- a")
@example("+")
@example("===")
@example("&lt;b&gt; &#35; A & B")
@example("_a_ b__c __d__")
@example("![a](b) <c>")
def test_a_text_in_markdown_is_only_that_text(text):
    pieces = inline(markdown(text))
    assert {piece.type for piece in pieces} <= {"text", "text_special"}
    shown = "".join(piece.content for piece in pieces).replace("\u200b", "")
    assert shown == visible(" ".join(text.split()))


LIVE = (
    "@octocat",
    "a@example.org",
    "https://example.org",
    "www.example.org",
    "#12",
    "GH-12",
    "ftp://x",
    "\x1b",
    "\u202e",
)


@given(st.lists(st.sampled_from((*LIVE, " ", "a", "(", "*", "_", ":"))).map("".join).filter(str.strip))
@example("https://example.org, by @octocat")
def test_a_text_in_markdown_mentions_nobody_and_links_nowhere(text):
    """As addresses in a title would, wherever a page is shown."""
    made = markdown(text)
    assert made.isprintable()
    shown = "".join(piece.content for piece in inline(made))
    assert not re.search(r"@\w|://|www\.|#\d|GH-", shown)


@given(TEXTS.filter(lambda text: "|" not in text))
@example("a``b`")
def test_a_text_as_code_is_only_that_text(text):
    (piece,) = inline(code(text))
    assert piece.type == "code_inline"
    assert piece.content == visible(" ".join(text.split()))


@given(TEXTS)
def test_both_stay_in_their_cell_of_a_table(text):
    page = READER.render(f"| a | b |\n|---|---|\n| {markdown(text)} | {code(text)} |\n")
    assert page.count("<td") == 2

"""Texts in Markdown, read back by markdown-it."""

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from resnet_gen.render import code, markdown

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
    assert "".join(piece.content for piece in pieces) == " ".join(text.split())


@given(TEXTS.filter(lambda text: "|" not in text))
@example("a``b`")
def test_a_text_as_code_is_only_that_text(text):
    (piece,) = inline(code(text))
    assert piece.type == "code_inline"
    assert piece.content == " ".join(text.split())


@given(TEXTS)
def test_both_stay_in_their_cell_of_a_table(text):
    page = READER.render(f"| a | b |\n|---|---|\n| {markdown(text)} | {code(text)} |\n")
    assert page.count("<td") == 2

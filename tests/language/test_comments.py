"""Comments are found where a YAML parser would skip them, and nowhere else."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_gen.language.comments import comments
from resnet_gen.problems import Document

MANY = settings(max_examples=200, derandomize=True, deadline=None, database=None)
LOADERS = [loader for loader in (getattr(yaml, "CSafeLoader", None), yaml.SafeLoader) if loader]


@pytest.fixture(params=LOADERS, ids=lambda loader: loader.__name__, autouse=True, scope="module")
def loader(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resnet_gen.language.comments.LOADER", request.param)
        yield


def found(text):
    """Line, column and text of each comment."""
    spans = list(comments(Document("net.yaml", text)))
    return [(s.line, s.column, s.document.line(s.line)[s.column : s.end]) for s in spans]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        ("# alone", [(0, 0, "# alone")]),
        ("a: 1  # behind\n", [(0, 6, "# behind")]),
        ("a: 1#no\n", []),
        ("a: x #y # z\n", [(0, 5, "#y # z")]),
        ('a: "# no"  # yes\n', [(0, 11, "# yes")]),
        ("a: '# no'\n", []),
        ("a: 'it''s # no'\n", []),
        ('a: "\\" # no"\n', []),
        ("? \"# no\"\n: '# no' # yes\n", [(1, 9, "# yes")]),
        ("a: 'first\n  # no\n  last' # yes\n", [(2, 8, "# yes")]),
        ("a: |\n  # no\n  b\n# yes\n", [(3, 0, "# yes")]),
        ("a: |  # header\n  # no\n", [(0, 6, "# header")]),
        ("a: >-2 # header\n  # no\nb: 1", [(0, 7, "# header")]),
        ("a: |\n  text\n\n# one\n  # two\nb: 1\n", [(3, 0, "# one"), (4, 2, "# two")]),
        ("a: [1, # one\n  # two\n  2] # three\n", [(0, 7, "# one"), (1, 2, "# two"), (2, 5, "# three")]),
        ("a:\n  b: 1\n  # inner\n# outer\nc: 2\n", [(2, 2, "# inner"), (3, 0, "# outer")]),
        ("a: 1\r\n# windows\r\nb: 2 # too\r\n", [(1, 0, "# windows"), (2, 5, "# too")]),
        ("é: 😀 # wide\n", [(0, 5, "# wide")]),
        ("--- # start\na: 1\n... # end\n", [(0, 4, "# start"), (2, 4, "# end")]),
        ("# before the fault\na: [\n", [(0, 0, "# before the fault")]),
    ],
)
def test_comments_are_found_where_they_stand(text, wanted):
    assert found(text) == wanted


@MANY
@given(st.text())
def test_any_text_can_be_searched(text):
    document = Document("any", text)
    for span in comments(document):
        assert document.line(span.line)[span.column] == "#"


WORDS = st.text(alphabet="# \n:'\"|>-[]{},?&*!%ab1\té😀", max_size=12)
COMMENT = st.text(alphabet="# :'\"|>-[]{}aé😀", max_size=8).map(lambda text: f"# {text}")


@st.composite
def documents(draw):
    """A YAML text of any scalars in any style, and the comments put into it, by line."""
    lines, wanted = [], []
    for number in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            wanted.append((len(lines), comment := draw(COMMENT)))
            lines.append(comment)  # at the margin: further in, it would belong to a block scalar above it
        style = draw(st.sampled_from([None, "'", '"', "|", ">"]))
        value = draw(WORDS)
        text = yaml.safe_dump({f"k{number}": value}, default_style=style, allow_unicode=True, width=20)
        entry = text.removesuffix("\n").split("\n")
        last = entry[-1]
        if len(entry) == 1 and last[-1] in "'\"" and draw(st.booleans()):
            wanted.append((len(lines), comment := draw(COMMENT)))
            entry[-1] = f"{last} {comment}"
        lines += entry
    return "\n".join(lines) + "\n", wanted


@MANY
@given(documents())
def test_what_is_a_comment_depends_on_no_scalar(drawn):
    text, wanted = drawn
    assert [(line, comment) for line, _, comment in found(text)] == wanted


def test_many_comments_are_found_in_one_pass():
    assert len(found("# one\n" * 100_000)) == 100_000

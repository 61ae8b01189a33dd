"""Generated PyTorch of the whole language, under every naming scheme, computes the graph of its specification.

A few in every run of the tests; 2,000 in `make test-all`.
"""

import ast
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.language.lower import lower
from resnet_gen.problems import Refused
from tests.properties.strategies import varied
from tests.properties.test_specs import loaded
from tests.standin.compare import is_the_network

FEW = settings(max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=600)


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.long)], ids=["few", "many"])
def test_what_lowers_is_generated_and_computes_the_same(examples):
    done = []

    @examples
    @given(varied())
    def run(data):
        with suppress(Refused):
            spec = loaded(data)
            graph = lower(spec)
            done.append(data)
        if done and done[-1] is data:
            (text,) = generate_files(CodeSubject(spec), "pytorch").values()
            is_the_network(text, spec, graph)

    run()
    assert len(done) > examples.max_examples // 3


ODD = [
    '"""', "\\", 'a"b', "{{ title }}", "{% if %}", "line\nbreak", "\\N{x}", "'''", "a\tb", "\u2028", '"',
    "ends in \\", "%s {0}",
]  # fmt: skip
NAMES = ["lambda", "None", "1net", "a--b", "_", "match", "n" * 60, "x.y", "self", "torch"]
SMALL = {
    "input": {"channels": 3, "size": 32},
    "stem": {"kind": "conv3x3", "width": 8, "stride": 1},
    "stages": {"depths": [1, 2], "widths": [8, 16], "block": "basic", "shortcut": "projection"},
    "norm": "batch",
    "activation": "relu",
    "head": {"kind": "linear", "classes": 5},
    "naming": "paths",
}
TEXTS = st.text(max_size=200) | st.sampled_from(ODD)


def test_titles_papers_and_names_of_any_characters_leave_python():
    done = []

    @settings(FEW, max_examples=60)
    @given(TEXTS, TEXTS, st.sampled_from(NAMES))
    def run(title, paper, name):
        try:
            spec = loaded({**SMALL, "name": name, "title": title, "paper": paper})
        except Refused:  # characters that the language does not allow
            return
        ((file, text),) = generate_files(CodeSubject(spec), "pytorch").items()
        assert file.removesuffix(".py").isidentifier()
        assert isinstance(ast.parse(text), ast.Module)
        is_the_network(text, spec)
        done.append((title, paper, name))

    run()
    assert len(done) > 10

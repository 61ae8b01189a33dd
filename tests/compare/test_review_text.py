"""How much of a review a comment shows, to the character, and that it says what it leaves out."""

import bisect

import pytest

from resnet_gen.compare.difference.graphs import compare
from resnet_gen.compare.difference.key_changes import KeyChange
from resnet_gen.compare.difference.review import NetworkReview
from resnet_gen.compare.difference.sides import Side
from resnet_gen.compare.formats.review import Review, describe_network, write_markdown, write_text
from resnet_gen.compare.formats.spec_terms import describe_term
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.problems import Problem

ROOM = 65_536 - 2_000
"""What GitHub takes, without what the Action writes below."""
MORE = "have no room here"


def unreadable(name, length):
    return NetworkReview(name, problems=(Problem("x" * length, "net.yaml"),))


def lines(review):
    return write_markdown(review).splitlines()


@pytest.mark.parametrize("number", [1, 19, 20, 21, 30])
def test_twenty_findings_are_shown_and_the_number_of_the_others(number):
    found = lines(Review("main", [], [Problem(f"finding {n}", "a.yaml", rule="claim") for n in range(number)]))
    assert sum("finding " in line for line in found) == min(number, 20)
    assert [line for line in found if "more" in line] == ([f"- and {number - 20} more"] if number > 20 else [])


@pytest.mark.parametrize("number", [1, 20, 21, 30])
def test_twenty_looser_promises_are_shown_and_the_number_of_the_others(number):
    found = lines(Review("main", [], project=[KeyChange(("lock", f"[{n}]"), "x", None, True) for n in range(number)]))
    assert sum(line.startswith("- **loosened**") for line in found) == min(number, 20)
    assert [line for line in found if "more" in line] == ([f"- and {number - 20} more"] if number > 20 else [])


@pytest.mark.parametrize("length", [499, 500, 501, 2000])
def test_a_finding_is_shown_whole_up_to_500_characters(length):
    message = "y" * length
    assert (message in write_markdown(Review("main", [], [Problem(message, "a.yaml")]))) == (length <= 500)


@pytest.mark.parametrize("length", [499, 500, 501])
@pytest.mark.parametrize("loosened", [True, False])
def test_a_key_of_the_project_file_is_shown_whole_up_to_500_characters(length, loosened):
    term = KeyChange(("budgets", "y"), 1, None, loosened)
    term = term._replace(path=("budgets", "y" * (1 + length - len(describe_term(term)))))
    assert len(describe_term(term)) == length
    assert (describe_term(term) in write_markdown(Review("main", [], project=[term], file="p.toml"))) == (length <= 500)


@pytest.mark.parametrize("number", [99, 100, 101, 250])
def test_a_hundred_networks_are_in_the_table_and_the_number_of_the_others(number):
    found = lines(Review("main", [NetworkReview(f"n{n}.yaml") for n in range(number)]))
    assert sum(line.startswith("| <code>n") for line in found) == min(number, 100)
    assert found[found.index("| network | what changed | params | MACs | layers |") + 1] == "|---|---|--:|--:|--:|"
    rest = [line for line in found if line.startswith("and ")]
    assert rest == ([f"and {number - 100} more"] if number > 100 else [])


def test_details_fill_a_comment_to_the_last_character():
    many = [unreadable(f"n{n}", 1000) for n in range(55)]
    assert MORE not in write_markdown(Review("main", [*many[:50], unreadable("last", 1000)]))
    while MORE not in write_markdown(Review("main", [*many, unreadable("last", 1000)])):
        many.append(unreadable(f"n{len(many)}", 1000))

    def comment(length):
        return write_markdown(Review("main", [*many, unreadable("last", length)]))

    longest = bisect.bisect_left(range(1, 1001), True, key=lambda length: MORE in comment(length))
    assert 0 < longest < 1000
    assert len(comment(longest)) == ROOM
    assert "Details of 1 network have no room here; `resnet-gen review` shows them." in comment(longest + 1)


def test_what_a_network_promises_is_told_key_by_key():
    graph = lower(load("cifar-resnet20"))
    sides = [Side(name, "spec", graph) for name in ("before", "after")]
    term = KeyChange(("claims", "[layers]", "value"), 20, 21)
    network = NetworkReview("net.yaml", *sides, compare(graph, graph), terms=(term,))
    for shown in (write_markdown, write_text):
        assert "claims[layers].value" in shown(Review("main", [network]))


def test_counts_are_those_of_the_side_that_there_is():
    side = Side("net.yaml", "spec", lower(load("cifar-resnet20")))
    counts = "269,722 | 40,551,040 | 20"
    assert f"| <code>a</code> | new | {counts} |" in lines(Review("main", [NetworkReview("a", None, side)]))
    assert f"| <code>a</code> | removed | {counts} |" in lines(Review("main", [NetworkReview("a", side)]))
    assert "| <code>a</code> | cannot be read |  |  |  |" in lines(Review("main", [unreadable("a", 3)]))


@pytest.mark.parametrize("number", [1, 4, 5, 9])
def test_at_most_four_clauses_say_what_became_of_a_network(number, monkeypatch):
    side = Side("net.yaml", "spec", lower(load("cifar-resnet20")))
    monkeypatch.setattr(
        "resnet_gen.compare.formats.review.list_clauses", lambda difference: [f"clause {n}" for n in range(number)]
    )
    network = NetworkReview("net.yaml", side, side, compare(side.graph, side.graph))
    assert describe_network(network) == "; ".join(f"clause {n}" for n in range(min(number, 4)))

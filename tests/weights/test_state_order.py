"""`Graph.state()` has the order of the library's state dict."""

import pytest

from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.weights.folding import folded_graph
from resnet_gen.weights.references import read
from tests.helpers.shipped import published, shipped


@pytest.mark.parametrize("name", published().values())
def test_the_names_are_in_the_order_of_the_published_state_dict(name):
    loaded = shipped(name)
    theirs = [weight for weight in read(loaded.spec.reference, None).state if "num_batches_tracked" not in weight]
    assert list(lower(loaded).state()) == theirs


@pytest.mark.parametrize("name", ["res2net50_26w_4s", "resnetv2_50", "regnet_y_400mf"])
def test_the_order_survives_what_is_done_to_a_graph(name, cli):
    order = list(lower(load(name)).state())
    assert [line.split()[0] for line in cli("weights", "show", name)[1].splitlines()[1 : len(order) + 1]] == order
    kept = [weight for weight in folded_graph(lower(load(name))).state() if weight in set(order)]
    assert kept == [weight for weight in order if weight in set(kept)]


def test_some_libraries_register_weights_in_another_order_than_they_use_them():
    graph = lower(load("res2net50_26w_4s"))
    assert list(graph.state()) != [n.weight_name(t.role) for n in graph.nodes for t in n.tensors]

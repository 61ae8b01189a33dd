"""Whether a generated module is a specification's network."""

from dataclasses import replace

from resnet_gen.graph.matching import match
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower, without_outputs
from resnet_gen.ops import MaxPool, Subsample
from tests.standin.run import executed, network, state, traced


def with_outputs(loaded: Loaded, outputs) -> Loaded:
    return replace(without_outputs(loaded), spec=loaded.spec.model_copy(update={"outputs": tuple(outputs)}))


def same(found, wanted):
    """Assert that a traced graph computes what the specification's does, each layer with the same settings."""
    result = match(_plain(found), _plain(wanted))
    assert result.same, (
        f"without a counterpart: of the module {[(n.name, n.op) for n in result.missing[:4]]}, "
        f"of the specification {[(n.name, n.op) for n in result.unexplained[:4]]}"
    )
    layers = {node.name: node.op for node in wanted.nodes if node.tensors}
    assert {n.name: n.op for n in found.nodes if n.tensors} == layers


def _plain(graph):
    """The graph with pooling of one position as what it is."""
    nodes = [replace(n, op=Subsample(n.op.stride)) if _takes_one(n.op) else n for n in graph.nodes]
    return replace(graph, nodes=tuple(nodes))


def _takes_one(op):
    return isinstance(op, MaxPool) and (op.kernel, op.padding) == (1, 0)


def is_the_network(text: str, loaded: Loaded, graph=None) -> dict:
    """Assert that a module's source is the network of a specification; returns what it defines."""
    names = executed(text)
    graph = lower(loaded) if graph is None else graph
    model = network(names)
    same(traced(model, graph.input.shape), graph)
    assert state(model) == {name: tensor.shape for name, tensor in graph.state().items()}
    return names

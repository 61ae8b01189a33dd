"""What is compared: a spec, a spec as it stands in a git revision, or an ONNX file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from resnet_gen.compare.difference.devices import describe_devices
from resnet_gen.compare.difference.revision import Revision, parse_revision
from resnet_gen.engine.names import ENGINE, ONNX
from resnet_gen.graph import Graph
from resnet_gen.graph.surroundings import NOTHING_AROUND, Surroundings
from resnet_gen.language.comments import documents, may_ignore
from resnet_gen.language.load import Loaded, load
from resnet_gen.language.lower import lower
from resnet_gen.language.source import Source, read_file
from resnet_gen.language.spec import forget_files
from resnet_gen.language.stated_network import read_stated_network
from resnet_gen.language.statements import resolved_values
from resnet_gen.problems import refuse
from resnet_gen.system.links import check_named
from resnet_gen.system.resources import shipped_specs

OperandKind: TypeAlias = Literal["spec", "revision", "onnx"]


class Side(NamedTuple):
    """One of two networks: what was given for it, what that is, and its graph.

    Of a spec, `stated` is everything that it states, resolved. Of a file, `precision` is what it computes in, and
    `unexplained` the names of nodes that are none of our operations. `surroundings` are what stands around the network;
    of a spec that states any, `inside` is the network as a file of it shows that. `labels` are the classes' names,
    `contradiction` how a file's metadata are not what its graph does.
    """

    given: str
    what: OperandKind
    graph: Graph
    stated: dict[str, Any] | None = None
    precision: str = "fp32"
    unexplained: tuple[str, ...] = ()
    surroundings: Surroundings = NOTHING_AROUND
    inside: Graph | None = None
    labels: tuple[str, ...] = ()
    contradiction: str | None = None


def load_side(given: str, settings: Sequence[str] = ()) -> Side:
    """The network that a word of the command line means; `settings` are laid over a spec.

    `REVISION:PATH` is what git has there, and never a file of that name: one is named as `./REVISION:PATH`.
    Raises `Refused` for whatever is wrong with it.
    """
    if given.endswith(ENGINE):
        raise refuse("an engine does not say what it computes", given, "give the ONNX file that it was built from")
    revision = None if given in shipped_specs() else parse_revision(given)
    if given.endswith(ONNX):
        return _load_file(given, revision)
    return load_former_side(revision, settings) if revision else load_current_side(given, settings)


def load_current_side(reference: str, settings: Sequence[str] = ()) -> Side:
    """The spec of that name or at that path, whatever the path looks like."""
    return make_side(reference, "spec", load(reference, settings))


def load_former_side(revision: Revision, settings: Sequence[str] = ()) -> Side:
    """The spec as it stands in a revision, loaded from a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = revision.export(folder)
        loaded = load(str(path), settings, lambda file: revision.display_name(file, folder))
        return make_side(str(revision), "revision", loaded)


def make_side(given: str, what: OperandKind, loaded: Loaded) -> Side:
    """A spec that was loaded."""
    folder = loaded.path.parent if loaded.path else Path()

    def device(name: str) -> Source:
        check_named(folder / name, loaded.path or folder / "text", None, "target")
        return read_file(folder / name)

    measures = describe_devices([loaded.source.data.get("budgets")], device)
    everything = {**resolved_values(loaded), "suppressions": _list_suppressions(loaded), "devices": measures}
    served = read_stated_network(loaded)
    around, inside = served or (NOTHING_AROUND, None)
    found = Side(given, what, lower(loaded), everything, surroundings=around, inside=inside, labels=loaded.spec.labels)
    forget_files()  # another revision may define the same parts
    return found


def _list_suppressions(loaded: Loaded) -> list[dict[str, str]]:
    """What comments suppress; without any, the rules that they name are not imported."""
    if not any(map(may_ignore, documents(loaded))):
        return []
    from resnet_gen.verify.suppression import list_suppressions

    return list_suppressions(loaded)


def _load_file(given: str, revision: Revision | None) -> Side:
    if revision:
        raise refuse("only specs are read from a revision", given, f"git show {given} > FILE.onnx, and give that file")
    from resnet_gen.onnx.reading import Opaque, read

    found = read(Path(given), partial=True)
    unexplained = tuple(node.name for node in found.graph.nodes if isinstance(node.op, Opaque))
    around, labels = found.surroundings, found.labels
    wrong = found.contradiction
    return Side(
        given, "onnx", found.graph, None, found.precision, unexplained, around, labels=labels, contradiction=wrong
    )

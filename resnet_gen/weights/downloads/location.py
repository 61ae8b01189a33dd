"""Where weights are: the file that somebody named, or the one that a name of published weights stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.ops import Shape
from resnet_gen.problems import refuse, suggest
from resnet_gen.weights.downloads import settings
from resnet_gen.weights.downloads.http import fetch_file, load_pooch
from resnet_gen.weights.downloads.hub import fetch_from_hub
from resnet_gen.weights.downloads.names import HUB, TIMM, TORCHVISION, WeightsFile, WeightsName, WeightsSource
from resnet_gen.weights.downloads.torchvision_files import TORCHVISION_FILES
from resnet_gen.weights.references import references_of


def locate_weights(source: WeightsSource, loaded: Loaded | None = None) -> WeightsFile:
    """The file of weights; those that have a name are fetched if they are not here, for the network of a spec.

    Raises `Refused` for names that are not known or need a spec, and for what cannot be fetched.
    """
    if isinstance(source, WeightsFile):
        return source
    if not isinstance(source, WeightsName):
        return WeightsFile(source)
    if source.library == TORCHVISION:
        return _locate_torchvision(source, find_network(source, loaded))
    if source.library == TIMM:
        network = find_network(source, loaded)
        return _locate_in_hub(source, f"timm/{network}.{source.tag}")
    assert source.repository
    return _locate_in_hub(source, source.repository)


def _locate_torchvision(source: WeightsName, network: str) -> WeightsFile:
    known = TORCHVISION_FILES.get(network, {})
    assert source.tag
    if source.tag not in known:
        what = f"'{source.tag}' of '{network}'" if known else f"weights of '{network}'"
        near = suggest(source.tag, known) if known else "hf:OWNER/NAME@REVISION names weights of the hub"
        raise refuse(f"{source.text}: {what} are not known", hint=near)
    file = known[source.tag]
    prefix = file.rpartition("-")[2].partition(".")[0]
    path = fetch_file(f"{settings.mirror_url()}/{file}", prefix, _find_cache())
    return WeightsFile(path, {"name": f"{TORCHVISION}:{network}.{source.tag}"})


def _find_cache() -> Path:
    return (settings.own_cache() or Path(load_pooch().os_cache("resnet-gen"))) / TORCHVISION


def _locate_in_hub(source: WeightsName, repository: str) -> WeightsFile:
    found = fetch_from_hub(repository, source.revision, source.file)
    return WeightsFile(found.path, {"name": f"{HUB}:{repository}", "revision": found.commit})


def find_network(source: WeightsName, loaded: Loaded | None) -> str:
    """The library's name of the network that weights are of: what the name says, else the one network like the spec's.

    Raises `Refused` where there is no spec, or no such network, or several.
    """
    if source.network is not None:
        return source.network
    example = f"{source.library}:NETWORK.{source.tag} names the network"
    if loaded is None:
        raise refuse(f"{source.text}: of which network?", hint=example)
    library, _, network = (loaded.spec.reference or "").partition("/")
    if library == source.library:
        return network
    found = list(_list_alike(source.library, {n: t.shape for n, t in lower(loaded).state().items()}))
    if len(found) == 1 or network in found:
        return network if network in found else found[0]
    what = f"several networks of {source.library} are like" if found else f"no network of {source.library} is known as"
    words = f": {', '.join(found)}" if found else ""
    raise refuse(f"{source.text}: {what} '{loaded.spec.name}'{words}", hint=example)


def _list_alike(library: str, state: Mapping[str, Shape]) -> Iterator[str]:
    """The networks of a library with these names and shapes."""
    for reference in references_of(library):
        if reference.state == state:
            yield reference.name.partition("/")[2]

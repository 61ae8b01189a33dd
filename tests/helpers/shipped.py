"""The shipped specs, each read once for all tests that ask something of every one of them."""

from functools import cache

from resnet_gen.language.load import Loaded, load
from resnet_gen.system.resources import shipped_specs


@cache
def shipped(name: str) -> Loaded:
    """A shipped spec as `load` gives it; nothing of it can be changed."""
    return load(name)


def published() -> dict[str, str]:
    """The shipped spec of each reference network."""
    found = ((shipped(name).spec.reference, name) for name in shipped_specs())
    return {reference: name for reference, name in found if reference}

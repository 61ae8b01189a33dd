"""Names of the conventions by which operations are counted: `graph.conventions` has their rules."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

ConventionName: TypeAlias = Literal["macs", "2xmacs", "pycls", "fvcore", "thop", "ptflops", "torchinfo", "paper"]
"""Who counts: we, twice that, a library, or the network's paper."""
CONVENTION_NAMES: tuple[ConventionName, ...] = get_args(ConventionName)

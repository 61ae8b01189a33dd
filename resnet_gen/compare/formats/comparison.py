"""What every format of a difference is made of: both networks, what differs, and what is worth a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from resnet_gen.compare.difference.graphs import Difference
from resnet_gen.compare.difference.key_changes import KeyChange
from resnet_gen.compare.difference.sides import Side
from resnet_gen.compare.formats.words import name_list
from resnet_gen.compare.surroundings import note_surroundings
from resnet_gen.language.statements import DESCRIBING
from resnet_gen.problems import several


class Latency(NamedTuple):
    """Predicted milliseconds of one pass on a device, before and after."""

    device: str
    precision: str
    batch: int
    before: float
    after: float


@dataclass(frozen=True)
class NetworkComparison:
    """Two networks, what differs, and how long each is predicted to take."""

    before: Side
    """The first network: what was given for it, and its graph."""
    after: Side
    """The second."""
    difference: Difference
    """Layers added, removed and changed, counts of both, names that differ."""
    latency: Latency | None = None
    """Predicted milliseconds of both, with a device."""
    folded: int = 0
    """How many more batch norms the first has behind convolutions than the second, fewer if negative; where it is not
    0, the difference is that of both with all of them folded."""
    biases: int = 0
    """Biases that are zero and were left out then."""
    terms: tuple[KeyChange, ...] = ()
    """Keys that two specs state differently."""
    versions: bool = False
    """Whether both are one network at two times, so that what the second does not promise any more was loosened."""

    @property
    def same(self) -> bool:
        """Whether both are the same architecture, whatever their layers are called."""
        return self.difference.same

    @property
    def identical(self) -> bool:
        """Whether nothing differs that a build or a verdict depends on: titles may, and the names in files."""
        names = "onnx" not in (self.before.what, self.after.what) and self.difference.renamed
        return self.same and not names and all(term.path[0] in DESCRIBING for term in self.terms)

    @property
    def title(self) -> str:
        """Both by what was given for them."""
        return f"{self.before.given} -> {self.after.given}"

    @property
    def notes(self) -> list[str]:
        """What makes no other architecture but is worth a word, names aside, and what was not looked into."""
        found = []
        if self.folded:
            which = "second" if self.folded > 0 else "first"
            found.append(f"{several(abs(self.folded), 'batch norm')} folded in the {which}")
        if self.folded and self.biases:
            found.append(f"{self.biases:,} of its biases left out, which are zero")
        if self.before.precision != self.after.precision:
            found.append(f"{self.before.precision} -> {self.after.precision}")
        found += note_surroundings(self.before, self.after)
        if names := [*self.before.unexplained, *self.after.unexplained]:
            found.append(f"{several(len(names), 'node')} compared as ONNX has them ({name_list(names)})")
        return found

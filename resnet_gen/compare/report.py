"""A difference between two networks as the API hands it out: what differs, and its text in every format."""

from __future__ import annotations

from typing import Any

from resnet_gen.compare.formats.comparison import NetworkComparison


class Report(NetworkComparison):
    """Two networks, what differs, and how long each is predicted to take; its text (`str`) is what `diff` prints."""

    def __str__(self) -> str:
        """The comparison as `resnet-gen diff` prints it."""
        from resnet_gen.compare.formats.text import text  # each format is imported when it is asked for

        return text(self)

    def markdown(self) -> str:
        """The comparison as a comment of a pull request."""
        from resnet_gen.compare.formats.markdown import markdown

        return markdown(self)

    def as_dict(self) -> dict[str, Any]:
        """The comparison as data; docs/diff.md describes every key."""
        from resnet_gen.compare.formats.data import data

        return data(self)

    @property
    def headline(self) -> str:
        """What changed, in one line."""
        from resnet_gen.compare.formats.summary import headline

        return headline(self)

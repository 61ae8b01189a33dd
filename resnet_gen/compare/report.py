"""A difference between two networks as the API hands it out: what differs, and its text in every format."""

from __future__ import annotations

from typing import Any

from resnet_gen.compare.formats.comparison import NetworkComparison


class Report(NetworkComparison):
    """Two networks, what differs, and how long each is predicted to take; its text (`str`) is what `diff` prints."""

    def __str__(self) -> str:
        """The comparison as `resnet-gen diff` prints it."""
        from resnet_gen.compare.formats.text import write_text  # each format is imported when it is asked for

        return write_text(self)

    def markdown(self) -> str:
        """The comparison as a comment of a pull request."""
        from resnet_gen.compare.formats.markdown import write_markdown

        return write_markdown(self)

    def as_dict(self) -> dict[str, Any]:
        """The comparison as data; docs/diff.md describes every key."""
        from resnet_gen.compare.formats.data import collect_data

        return collect_data(self)

    @property
    def headline(self) -> str:
        """What changed, in one line."""
        from resnet_gen.compare.formats.summary import write_headline

        return write_headline(self)

"""Specs that cannot be read."""

from __future__ import annotations

from resnet_gen.verify.rules.base import Explained


class InvalidSpec(Explained):
    """A spec can be read: it is YAML, its keys and values are of the language, and they make a network.

    A spec that cannot be read has no graph, so that no other rule says anything about it. What is wrong is shown
    where it stands, as by every command, and `verify` exits with 2; the other specs are verified all the same.

    Source: docs/language.md has every key. This spec breaks it:

        name: mine
        extends: resnet50
        haed: {kind: linear, classes: 10}

    To mend it, follow the hint: here the key is called `head`. Nothing suppresses it.
    """

    id = "invalid-spec"

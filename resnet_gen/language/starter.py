"""The commented spec that somebody starts from."""

from __future__ import annotations

import re

from resnet_gen.language.faults import NAME_HINT
from resnet_gen.language.spec import NAME_PATTERN
from resnet_gen.problems import refuse, shorten
from resnet_gen.system.templates import render


def starter_text(name: str) -> str:
    """The text of a spec called `name`; raises `Refused` for what is no name."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise refuse(f"'{shorten(name)}' is not a name", hint=NAME_HINT)
    return render("init/spec.yaml.jinja", name=name)

"""The one jinja environment, and the one place that finds `templates/`."""

from __future__ import annotations

from typing import Any

import jinja2

from resnet_gen.resources import templates


def render(template: str, **values: Any) -> str:
    """The text of a template; an undefined name in it is an error, never an empty string."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - what is rendered is Markdown and YAML, never HTML
    )
    return environment.get_template(template).render(**values)

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
    environment.filters.update(docstring=_docstring, shape=_shape)
    return environment.get_template(template).render(**values)


def _docstring(text: str) -> str:
    """A text as it may stand in a Python docstring."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _shape(shape: tuple[int, ...]) -> str:
    """The shape of a batch: `(N, 3, 224, 224)`."""
    return f"(N, {', '.join(map(str, shape))})"

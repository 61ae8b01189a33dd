"""The one jinja environment, and the one place that finds `templates/`."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from resnet_gen.problems import unlink, visible
from resnet_gen.system.files import read_regular_file
from resnet_gen.system.resources import templates


def render(template: str, **values: Any) -> str:
    """The text of a template; an undefined name in it is an error, never an empty string."""
    return _make_environment(templates()).get_template(template).render(**values)


@lru_cache
def _make_environment(folder: Path) -> jinja2.Environment:
    """It keeps the templates that it has compiled, which takes longer than to render one."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - what is rendered is Markdown, YAML and code, never HTML
    )
    environment.filters.update(c_string=c_string, json=json_text, markdown=markdown, code=code)
    return environment


def render_tree(folder: str, **values: Any) -> dict[str, str]:
    """The texts of a folder of templates by their paths in it; what is not called `*.jinja` stays as it is."""
    root, found = templates() / folder, {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".jinja":
            found[name.removesuffix(".jinja")] = render(f"{folder}/{name}", **values)
        else:
            found[name] = read_regular_file(path).decode()
    return found


_PLAIN = frozenset(map(chr, range(0x20, 0x7F))) - set('"\\?')
"""Characters that a literal of C++ holds as they are; `??/` would mean something else."""


def c_string(text: str) -> str:
    """A text as a string literal of C++, which Protocol Buffers' text format reads too; what is not plain is octal."""
    return '"' + "".join(chr(b) if chr(b) in _PLAIN else f"\\{b:03o}" for b in text.encode()) + '"'


def json_text(value: Any) -> str:
    """Plain data, its texts printable, as JSON in one line, which YAML reads too."""
    return json.dumps(value, ensure_ascii=False)


def markdown(text: str) -> str:
    """A text as one line of Markdown, in a cell of a table too, that shows it, obeys nothing in it and links nowhere.

    What means something at the beginning of a line alone is escaped there alone, `_` if not between letters.
    """
    line = re.sub(
        r"([\\`*\[\]<>|~]|&(?=[#\w])|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", unlink(visible(" ".join(text.split())))
    )
    return re.sub(r"^([-+=#]|\d+(?=[.)]))", _escape_first, line).replace("\u200b", "&#8203;")


def code(text: str) -> str:
    """A text as code in one line of Markdown, in a cell of a table too."""
    line = visible(" ".join(text.split())).replace("|", "\\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def _escape_first(found: re.Match[str]) -> str:
    return f"{found[1]}\\" if found[1].isdigit() else f"\\{found[1]}"


def format_batch_shape(shape: tuple[int, ...]) -> str:
    """The shape of a batch: `(N, 3, 224, 224)`."""
    return f"(N, {', '.join(map(str, shape))})"

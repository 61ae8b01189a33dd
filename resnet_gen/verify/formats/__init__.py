"""What `verify` found, as text in each format: a module each, with a pure `render(outcomes)`."""

from __future__ import annotations

FORMATS = {
    "text": "resnet_gen.verify.formats.text",
    "json": "resnet_gen.verify.formats.json_array",
    "junit": "resnet_gen.verify.formats.junit",
    "sarif": "resnet_gen.verify.formats.sarif",
    "github": "resnet_gen.verify.formats.github",
}
"""The module of each format, the default first."""

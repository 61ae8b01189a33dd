"""What `verify` found, as text in each format: a module each, with a pure `render(outcomes)`."""

from __future__ import annotations

FORMATS = {
    "text": "resnet_gen.emit.findings.text",
    "json": "resnet_gen.emit.findings.json_array",
    "junit": "resnet_gen.emit.findings.junit",
    "sarif": "resnet_gen.emit.findings.sarif",
    "github": "resnet_gen.emit.findings.github",
}
"""The module of each format, the default first."""

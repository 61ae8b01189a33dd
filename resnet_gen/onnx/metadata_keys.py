"""Keys of a file's metadata: what it was made of, what was put around its network, what its classes are called."""

from __future__ import annotations

SPEC_KEY = "resnet_gen.spec"
"""The specification that a file was built from, as JSON."""
SERVE_KEY, WRAP_KEY = "resnet_gen.serve", "resnet_gen.wrap"
"""What a build put around the network, and what `wrap` did."""
SIZE_KEY = "resnet_gen.size"
"""The height and width that a network is for whose file leaves both open."""
LABELS_KEY = "resnet_gen.labels"
"""What the classes are called, as a JSON list in their order."""

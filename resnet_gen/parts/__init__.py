"""Parts: what a specification can choose, one file a part (see `base`).

Values of a graph and the settings of a spec come in; the operations of a stem, a block or a head go out.

Files outside the package import `resnet_gen.parts.base` and `resnet_gen.graph` (docs/parts.md).
"""

"""Words for what a file puts around a network: how pixels come, and what it outputs."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

PixelType: TypeAlias = Literal["uint8", "float32"]
PIXEL_TYPES: tuple[PixelType, ...] = get_args(PixelType)
Layout: TypeAlias = Literal["NCHW", "NHWC"]
"""Where the channels of an image stand: before its rows, or behind its columns."""
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
ChannelOrder: TypeAlias = Literal["RGB", "BGR"]
CHANNEL_ORDERS: tuple[ChannelOrder, ...] = get_args(ChannelOrder)

EMBEDDINGS = ("embedding", "normalized_embedding")
SERVED_WORDS = ("logits", "probabilities", "top5", *EMBEDDINGS)
"""Outputs of a network that classifies, beside which are its stages' maps."""

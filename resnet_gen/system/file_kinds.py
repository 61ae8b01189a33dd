"""What files of other kinds than specs are called, by the ends of their names."""

from __future__ import annotations

ONNX, ENGINE = ".onnx", ".engine"
CHECKPOINTS = (".safetensors", ".npz", ".pth", ".pt", ".ckpt", ".bin")
"""Weights; what such a file holds is told by how it begins."""

"""Tests of the room `quantization`."""

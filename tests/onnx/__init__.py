"""Tests of the room `onnx`."""

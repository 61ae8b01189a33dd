"""Anybody's ONNX file edited by onnx-graphsurgeon: wrapped, cut, renamed, with another batch, size or last layer."""

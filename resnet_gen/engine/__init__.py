"""Engines and runtimes: ONNX bytes to an engine, and running a model. Heavy libraries load when used."""

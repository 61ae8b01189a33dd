"""Engines and runtimes: TensorRT, ONNX Runtime and OpenVINO behind one interface, and pictures as what they take.

ONNX bytes or a model's file come in; an engine, or outputs, go out.

Heavy libraries load when they are used.
"""

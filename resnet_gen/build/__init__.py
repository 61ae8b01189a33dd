"""The main job: from a spec and what is asked for to files, written together or not at all.

A request comes in; an ONNX model, an engine, a manifest, and what goes to a device or a server beside them go out.
"""

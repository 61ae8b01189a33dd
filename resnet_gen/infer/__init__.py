"""From a graph, or from weights, of another tool to the specification that makes the same.

Files of ONNX or of weights come in; a spec goes out with the proof that it makes them, or weights under other names.

Parts are proposed from what stands in the graph and checked by building them:
`flow.TracingNet` is a `Net` that finds each operation in the graph instead of
adding it. Nothing is looked up by name.
"""

"""From a graph of another tool to the specification that makes the same.

Parts are proposed from what stands in the graph and checked by building them:
`flow.Following` is a `Net` that finds each operation in the graph instead of
adding it. Nothing is looked up by name.
"""

"""The contract of a spec, checked: what each rule finds about a specification and its graph.

A spec, its project and its lock come in; findings go out, in any of the formats.

`verification.verify` has a graph already; `outcome.examine` starts from a name, and heeds comments that suppress
findings.
"""

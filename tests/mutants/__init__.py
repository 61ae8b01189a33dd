"""Does a test notice if the code is wrong? `make mutants`: the core, changed in one place at a time.

`mutate` finds the places, `record` which tests call which functions, `run` has those tests look at each mutant, and
`site` brings a mutant to the processes that tests start. Nothing of the working tree is written to.
"""

"""Every reader on bytes that a fuzzer makes: `make fuzz`, and its finds and corpus in `make test`.

`targets` says what bytes are put to which readers of `tests.readers.commands`, `structures` changes files so that what
is read first still holds, `corpus/` has small files of each kind. `python -m tests.fuzz` runs the fuzzer, atheris, and
`tests.fuzz.replay` files through the limits of `tests.readers.measure`.
"""

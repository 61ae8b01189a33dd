"""The operating system's side: files read and written, links, locks and processes, and the package's own resources.

Paths and bytes come in; what is read is a regular file of bounded size, what is written appears whole or not at all.
"""

"""Two networks, or a file and a spec: what differs, and how that is shown.

Specs, git revisions and files come in; a difference goes out, as text, Markdown or data, or as a rule's findings.
"""

"""A difference between two networks as text, JSON, and Markdown for a pull request."""

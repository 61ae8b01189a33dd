"""Parts from outside the package: Python files that a spec names, and installed packages that offer some."""

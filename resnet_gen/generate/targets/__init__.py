"""What can be generated: a file is a target, called after it (`cpp`), with its templates in `templates/cpp/`."""

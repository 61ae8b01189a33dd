"""A Python of its own: what was begun here finds its modules, and nothing of the environment or the working folder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any


def make_command(module: str) -> list[str]:
    """What begins it; it calls `serve` of a module of ours with the order that its first line of input is."""
    code = "import json, sys; order = json.loads(sys.stdin.buffer.readline()); sys.path[:] = order['path']; "
    return [sys.executable, "-I", "-c", f"{code}from {module} import serve; serve(order)"]


def make_first_line(order: Mapping[str, Any]) -> bytes:
    """An order, with where this process finds its modules."""
    path = [os.path.abspath(folder) for folder in sys.path if folder]  # noqa: PTH100
    return json.dumps({"path": path, **order}).encode() + b"\n"

"""The process in which one of several builds of a project is built at the same time as others."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NoReturn

from resnet_gen.compare.difference.parts_option import permit_parts
from resnet_gen.problems import Refused
from resnet_gen.project.build_run import BuildOrder
from resnet_gen.system.worker_pool import answer_order


def serve(order: Mapping[str, Any]) -> NoReturn:
    """Do an order of `run_builds`, and answer with its row."""
    answer_order(lambda: _perform(order))


def _perform(order: Mapping[str, Any]) -> dict[str, Any]:
    notes: list[str] = []
    warnings.showwarning = lambda message, *_, **__: notes.append(f"warning: {message}")
    try:
        with permit_parts(order["parts"]):
            row = BuildOrder.parse(order["build"]).perform()
    except Refused as refused:  # the spec changed since
        return {"refused": [refused.problems[0].message, str(refused)]}
    return {**row._asdict(), "notes": (*notes, *row.notes)}

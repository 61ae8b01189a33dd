"""resnet-gen: the architecture of a convolutional network as a checked contract.

Functions and types of the Python API are imported from here; docs/api.md describes them.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False  # by this name type checkers take it for true; importing `typing` takes longer than all else here

if TYPE_CHECKING:
    from resnet_gen.api.building import Options as Options
    from resnet_gen.api.building import build as build
    from resnet_gen.api.building import build_engine as build_engine
    from resnet_gen.api.building import emit_onnx as emit_onnx
    from resnet_gen.api.checking import check_engine as check_engine
    from resnet_gen.api.checking import diff as diff
    from resnet_gen.api.checking import explain_rule as explain_rule
    from resnet_gen.api.checking import verify as verify
    from resnet_gen.api.evaluating import evaluate as evaluate
    from resnet_gen.api.evaluating import evaluate_project as evaluate_project
    from resnet_gen.api.generating import convert_weights as convert_weights
    from resnet_gen.api.generating import generate as generate
    from resnet_gen.api.generating import prune_weights as prune_weights
    from resnet_gen.api.graphs import build_graph as build_graph
    from resnet_gen.api.graphs import count as count
    from resnet_gen.api.graphs import count_as as count_as
    from resnet_gen.api.graphs import report as report
    from resnet_gen.api.graphs import show as show
    from resnet_gen.api.profiling import profile as profile
    from resnet_gen.api.projects import build_project as build_project
    from resnet_gen.api.running import bench as bench
    from resnet_gen.api.running import list_targets as list_targets
    from resnet_gen.api.running import load_target as load_target
    from resnet_gen.api.running import predict as predict
    from resnet_gen.api.running import run as run
    from resnet_gen.api.specs import import_file as import_file
    from resnet_gen.api.specs import json_schema as json_schema
    from resnet_gen.api.specs import list_specs as list_specs
    from resnet_gen.api.specs import load_spec as load_spec
    from resnet_gen.api.specs import new_spec as new_spec
    from resnet_gen.api.specs import parse_spec as parse_spec
    from resnet_gen.api.wrapping import WrapOptions as WrapOptions
    from resnet_gen.api.wrapping import wrap as wrap
    from resnet_gen.build.option_checks import Check as Check
    from resnet_gen.build.wrap import WrappedFile as WrappedFile
    from resnet_gen.build.wrap_proof import WrapProof as WrapProof
    from resnet_gen.compare.report import Report as Report
    from resnet_gen.engine.evaluation.evaluation import Evaluation as Evaluation
    from resnet_gen.graph import Graph as Graph
    from resnet_gen.graph import Node as Node
    from resnet_gen.graph import Value as Value
    from resnet_gen.graph.conventions import Figure as Figure
    from resnet_gen.graph.counts import Counts as Counts
    from resnet_gen.infer.conversion.files import Conversion as Conversion
    from resnet_gen.infer.recovery import Imported as Imported
    from resnet_gen.language.load import Loaded as Loaded
    from resnet_gen.ops.precision import Calibration as Calibration
    from resnet_gen.problems import Problem as Problem
    from resnet_gen.problems import Refused as Refused
    from resnet_gen.project.build_run import BuildRow as BuildRow
    from resnet_gen.quantization.pruned_checkpoint import Pruning as Pruning
    from resnet_gen.speed.layer_comparison import LayerComparison as LayerComparison
    from resnet_gen.speed.prediction import Prediction as Prediction
    from resnet_gen.speed.targets import Target as Target
    from resnet_gen.verify.build_trials import BuildAccuracy as BuildAccuracy
    from resnet_gen.verify.outcome import Finding as Finding

if sys.flags.optimize > 1:
    from resnet_gen.system.docstring_loader import install_loader

    install_loader()

__version__ = "0.1.0"

FUNCTIONS = {
    "list_specs": "api.specs",
    "load_spec": "api.specs",
    "parse_spec": "api.specs",
    "new_spec": "api.specs",
    "json_schema": "api.specs",
    "import_file": "api.specs",
    "build_graph": "api.graphs",
    "count": "api.graphs",
    "count_as": "api.graphs",
    "show": "api.graphs",
    "report": "api.graphs",
    "emit_onnx": "api.building",
    "build_engine": "api.building",
    "build": "api.building",
    "build_project": "api.projects",
    "generate": "api.generating",
    "convert_weights": "api.generating",
    "prune_weights": "api.generating",
    "wrap": "api.wrapping",
    "verify": "api.checking",
    "explain_rule": "api.checking",
    "diff": "api.checking",
    "check_engine": "api.checking",
    "run": "api.running",
    "bench": "api.running",
    "evaluate": "api.evaluating",
    "evaluate_project": "api.evaluating",
    "predict": "api.running",
    "profile": "api.profiling",
    "list_targets": "api.running",
    "load_target": "api.running",
}
"""Each function's module, in the order of docs/api.md; it is imported when the function is asked for."""

TYPES = {
    "Loaded": "language.load",
    "Graph": "graph",
    "Node": "graph",
    "Value": "graph",
    "Counts": "graph.counts",
    "Figure": "graph.conventions",
    "Imported": "infer.recovery",
    "Options": "api.building",
    "Calibration": "ops.precision",
    "BuildRow": "project.build_run",
    "BuildAccuracy": "verify.build_trials",
    "Conversion": "infer.conversion.files",
    "Pruning": "quantization.pruned_checkpoint",
    "WrapOptions": "api.wrapping",
    "WrappedFile": "build.wrap",
    "WrapProof": "build.wrap_proof",
    "Finding": "verify.outcome",
    "Report": "compare.report",
    "Evaluation": "engine.evaluation.evaluation",
    "Check": "build.option_checks",
    "Prediction": "speed.prediction",
    "LayerComparison": "speed.layer_comparison",
    "Target": "speed.targets",
    "Problem": "problems",
    "Refused": "problems",
}
"""The same of the types that they take, return and raise."""

__all__ = [*FUNCTIONS, *TYPES]


class _Package(ModuleType):
    """A package whose functions stay what their names mean, though a module inside is called as some of them are.

    Importing `resnet_gen.count` would otherwise put the module in the place of the function.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in FUNCTIONS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    """A function or a type of the API, imported now."""
    from importlib import import_module

    home = FUNCTIONS.get(name) or TYPES.get(name)
    if home is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    found = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

"""The one or two models that `bench` and `evaluate` run, as the command line names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from resnet_gen.build.models import ModelSource, RunnableModel, is_model_file, open_model_file, refuse_ignored
from resnet_gen.cli.hints import tell_refused_hint
from resnet_gen.engine.base import Tuning
from resnet_gen.engine.names import suitable_runtime
from resnet_gen.engine.tensorrt import BACKENDS
from resnet_gen.problems import refuse


class NamedModel(NamedTuple):
    """A spec or a file, and what is to run it."""

    name: str
    runtime: str | None


def list_models(first: NamedModel, against: str | None, against_runtime: str | None) -> list[NamedModel]:
    """The first, and the second where there is one."""
    if against is None and against_runtime is None:
        return [first]
    # The same model on another runtime needs no second name.
    return [first, NamedModel(against or first.name, against_runtime)]


def open_models(
    models: Sequence[NamedModel], source: ModelSource, tuning: Tuning, batches: Sequence[int]
) -> list[RunnableModel]:
    """Load the models; what is set for specs has to mean something for one of them."""
    if all(is_model_file(model.name) for model in models):
        refuse_ignored(models[0].name, source)
    hinted = [m for m in models if m.runtime == "openvino"]
    if tuning.precision_hint and not hinted:
        raise refuse("--precision-hint means something for openvino alone", hint="use --backend openvino")
    graphed = [m for m in models if (m.runtime or suitable_runtime(m.name)) in BACKENDS]
    if tuning.cuda_graphs and not graphed:
        raise refuse("--cuda-graphs means something for engines alone", hint="use --backend tensorrt-rtx")
    opened = []
    for model in models:
        own = tuning if model in hinted else tuning._replace(precision_hint=None)
        own = own if model in graphed else own._replace(cuda_graphs=False)
        opened.append(open_model_file(model.name, source, model.runtime, own, batches or (1,)))
        tell_refused_hint(opened[-1].runner, own)
    return opened

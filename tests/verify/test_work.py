"""What a few lines have worked out for a deep network is bounded, and refused at the line that asks for it."""

from importlib import import_module

import pytest

from resnet_gen.graph.counts import count
from resnet_gen.language.load import load_text
from resnet_gen.language.lower import lower
from resnet_gen.language.source import Document, read_text
from resnet_gen.problems import Refused
from resnet_gen.verify.subject import Subject
from tests.helpers.verification import verify

HEAD = "name: x\nextends: cifar-resnet20\n"
CLAIMS = "claims:\n" + "".join(f"  - {{what: layers, value: 20, size: {size}, source: a}}\n" for size in range(32, 40))
LATENCIES = "budgets:\n  latency:\n" + "".join(f"    - {{target: a100, batch: {n}, max: 9}}\n" for n in range(1, 9))
SIZES = "budgets:\n  onnx_size:\n    - {max: 9 GB}\n    - {max: 8 GB}\n    - {max: 8 GB, precision: fp16}\n"
KEEP = "quantization:\n  keep: [stem, head]\n"
OVERRIDES = "stages:\n  overrides:\n    stage1: {shortcut: projection}\n    stage2: {shortcut: projection}\n"
LIMITS = {
    "claims": (CLAIMS, "resnet_gen.verify.subject.MOST_WORK", "more figures than are worked out", 7),
    "latencies": (LATENCIES, "resnet_gen.verify.subject.MOST_WORK", "more figures than are worked out", 12),
    "file sizes": (SIZES, "resnet_gen.verify.subject.MOST_WORK", "more figures than are worked out", 7),
    "exceptions": (
        KEEP,
        "resnet_gen.language.float_exceptions._MOST_MATCHED",
        "more exceptions than are looked for",
        4,
    ),
    "overrides": (OVERRIDES, "resnet_gen.language.plan._MOST_FITTED", "more of them than are looked for", 4),
}


def looked_at(text):
    loaded = load_text(read_text(Document("spec.yaml", HEAD + text)))
    graph = lower(loaded)
    return verify(loaded, graph)


@pytest.mark.parametrize("what", LIMITS)
def test_more_than_is_worked_out_is_refused_at_its_line(what, monkeypatch):
    text, limit, message, line = LIMITS[what]
    assert looked_at(text) == []
    nodes = len(lower(load_text(read_text(Document("spec.yaml", HEAD)))).nodes)
    # Room for three claims, seven latencies, and one file's size; not for two exceptions or overrides.
    module, _, name = limit.rpartition(".")
    monkeypatch.setattr(import_module(module), name, 7 * nodes if name == "MOST_WORK" else 17)
    with pytest.raises(Refused) as refused:
        looked_at(text)
    (problem,) = refused.value.problems
    assert message in problem.message
    assert problem.where.line + 1 == line


def test_what_was_worked_out_is_not_worked_out_again(monkeypatch):
    loaded = load_text(read_text(Document("spec.yaml", HEAD + SIZES)))
    graph = lower(loaded)
    subject = Subject(loaded, graph, count(graph))
    monkeypatch.setattr(import_module("resnet_gen.verify.subject"), "MOST_WORK", 6 * len(graph.nodes))
    assert subject.onnx_size("fp32", None) == subject.onnx_size("fp32", None)
    with pytest.raises(Refused):
        subject.onnx_size("bf16", None)

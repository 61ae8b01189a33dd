"""Generated PyTorch of what is served: it takes the pixels of the file, and outputs what the file does."""

import importlib.util

import numpy as np
import pytest

from resnet_gen.build.build import model_bytes
from resnet_gen.build.request import Request
from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.language.served_outputs import with_served_maps
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import TINY, run_named
from tests.helpers.served import COLOURS

CASES = {
    "bytes": ("serve.outputs=[logits, probabilities, top3, embedding, normalized_embedding, stage1]",),
    "floats": ("serve={type: float32, layout: NCHW, order: BGR}",),
    "any": ("serve.size=any", "serve.outputs=[top2, logits]"),
    "softmax": ("head.softmax=true", "serve.outputs=[logits, top2, probabilities]"),
    "conv": ("head.conv=true", "serve.outputs=[embedding, top2]"),
    "no head": ("head=none", "serve.outputs=[features, normalized_embedding]"),
}


def served(name):
    settings = CASES[name]
    return load(str(TINY), (*(COLOURS if name != "no head" else COLOURS[:2]), *settings))


def source(name):
    (text,) = generate_files(CodeSubject(served(name)), "pytorch").values()
    return text


def pixels(loaded):
    serve = loaded.spec.serve
    size = (24, 37) if serve.size == "any" else (16, 16)
    x = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    x = x if serve.layout == "NHWC" else x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x if serve.type == "uint8" else x.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("name", CASES)
def test_the_source_is_python_and_names_every_output(name):
    text = source(name)
    compile(text, "served.py", "exec")
    assert "class ServedTiny(nn.Module):" in text
    outputs = lower(with_served_maps(served(name))).outputs
    assert all(value.name in text for value in outputs)


def test_a_spec_that_serves_nothing_has_no_such_class():
    (text,) = generate_files(CodeSubject(load(str(TINY))), "pytorch").values()
    assert "Served" not in text


@pytest.mark.torch
@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_it_outputs_what_the_file_does(name, exported, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed", exc_type=ImportError)
    loaded, x = served(name), pixels(served(name))
    path = tmp_path / "generated.py"
    path.write_text(source(name))
    spec = importlib.util.spec_from_file_location("generated", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.Tiny()
    graph = lower(with_served_maps(loaded))
    weights = SeededWeights(graph, 0)
    state = {n: torch.from_numpy(weights.rows(n, 0, t.shape[0]).copy()) for n, t in graph.state().items()}
    network.load_state_dict(state, strict=False)
    model = module.ServedTiny(network).eval()
    if exported:
        model = torch.export.export(model, (torch.from_numpy(x),)).module()
    with torch.no_grad():
        found = model(torch.from_numpy(x))
    for (output, ours), theirs in zip(run_named(model_bytes(loaded, Request()), x).items(), found, strict=True):
        assert np.allclose(ours, theirs.numpy(), atol=1e-5, rtol=1e-5), output

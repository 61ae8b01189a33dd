"""`generate --to triton`: the folder that `build --target triton` writes, and its README, whose client is run."""

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest

from resnet_gen.build.build import build
from resnet_gen.build.request import BuildBatch
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.build.triton import TritonModel, render_model_folder
from resnet_gen.engine import image
from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.graph import Value
from resnet_gen.language.load import load
from resnet_gen.speed.targets import load_target
from tests.build.test_triton import schema  # noqa: F401 - a fixture
from tests.helpers.onnx_runs import TINY
from tests.helpers.pictures import saved

INPUTS = [
    ("input.channels=3", "input.size=[37,53]", "input.crop=0.9"),
    ("input.channels=3", "input.size=224"),
    ("input.channels=1", "input.size=28", "input.mean=[0.5]", "input.std=[0.25]"),
    ("input.channels=4", "input.size=24", "input.crop=0.7", "input.mean=[0.1,0.2,0.3,0.4]", "input.std=[1,1,2,0.5]"),
]


def served(folder, settings=(), device=None, precision="fp32", **more):
    """The model's folder as `build` writes it."""
    wish = BuildWishes(load_target(device) if device else None, "triton", precision, **more)
    build(load(str(TINY), settings), resolve_request(wish), folder)
    return folder / "tiny"


def client(text):
    """The names that a page's one Python program defines."""
    (source,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"__name__": "client"}
    exec(compile(source, "client.py", "exec"), names)
    return names


@pytest.mark.parametrize(
    "settings", [(), ("head=none", "outputs=[stage1]"), ("head.softmax=true",), *INPUTS[:1]], ids=str
)
def test_it_is_what_build_writes_but_for_the_model(tmp_path, settings):
    folder = served(tmp_path, settings)
    files = generate_files(CodeSubject(load(str(TINY), settings)), "triton")
    assert set(files) == {"tiny/README.md", "tiny/config.pbtxt"}
    for name, text in files.items():
        assert (folder.parent / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("settings", INPUTS, ids=str)
def test_the_client_s_preprocessing_is_ours_to_the_bit(tmp_path, settings):
    loaded = load(str(TINY), settings)
    preprocess = client(generate_files(CodeSubject(loaded), "triton")["tiny/README.md"])["preprocess"]
    for path in saved(tmp_path):
        found, wanted = preprocess(path), image.read_image(path, loaded.spec.input)
        assert found.dtype == wanted.dtype
        assert np.array_equal(found, wanted), path.name


class Server(ModuleType):
    """A stand-in for `tritonclient.http` that runs the model of a folder."""

    def __init__(self, folder):
        super().__init__("tritonclient.http")
        self.session = onnxruntime.InferenceSession(folder / "1" / "model.onnx", providers=["CPUExecutionProvider"])

    class InferInput:
        def __init__(self, name, shape, datatype):
            self.name, self.shape, self.datatype = name, shape, datatype

        def set_data_from_numpy(self, tensor):
            assert list(tensor.shape) == self.shape
            assert tensor.dtype == {"FP32": np.float32, "FP16": np.float16}[self.datatype]
            self.tensor = tensor

    def InferenceServerClient(self, url):  # noqa: N802 - Triton's name
        assert url == "here:8000"
        return self

    def infer(self, model_name, inputs):
        assert model_name == "tiny"
        names = [value.name for value in self.session.get_outputs()]
        self.found = dict(zip(names, self.session.run(names, {i.name: i.tensor for i in inputs}), strict=True))
        return self

    def as_numpy(self, name):
        return self.found[name]


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"batch": BuildBatch(fixed=2)},
        {"precision": "fp16", "typed_io": True},
        {"settings": ("head.softmax=true",)},
        {"settings": ("head=none", "outputs=[stage1]")},
    ],
    ids=str,
)
def test_the_client_runs_and_prints_the_best_classes(tmp_path, monkeypatch, capsys, case):
    folder = served(tmp_path, **case)
    server = Server(folder)
    monkeypatch.setitem(sys.modules, "tritonclient", ModuleType("tritonclient"))
    monkeypatch.setitem(sys.modules, "tritonclient.http", server)
    sys.modules["tritonclient"].http = server
    path = saved(tmp_path)[0]
    client((folder / "README.md").read_text(encoding="utf-8"))["main"]("here:8000", path)
    out = capsys.readouterr().out.splitlines()
    if "head=none" in case.get("settings", ()):
        assert out == [f"{name} {values.shape}" for name, values in server.found.items()]
        return
    ((name, scores),) = server.found.items()
    scores = scores[0].astype(np.float64)
    chances = scores if name == "probabilities" else np.exp(scores) / np.exp(scores).sum()
    order = np.argsort(-chances, kind="stable")
    assert out == [f"class {c:>5}  probability {chances[c]:.4f}" for c in order]


def test_the_client_calls_what_tritonclient_has():
    package = importlib.util.find_spec("tritonclient")
    if package is None:
        pytest.skip("tritonclient is not installed")
    folder = Path(package.submodule_search_locations[0]) / "http"
    calls = {"InferInput": ["name", "shape", "datatype"], "InferenceServerClient": ["url"]}
    methods = {"set_data_from_numpy": ["input_tensor"], "infer": ["model_name", "inputs"], "as_numpy": ["name"]}
    classes, functions = {}, {}
    for path in folder.glob("_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                init = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
                classes[node.name] = [argument.arg for f in init for argument in f.args.args[1:]]
            elif isinstance(node, ast.FunctionDef):
                functions.setdefault(node.name, [argument.arg for argument in node.args.args[1:]])
    for name, arguments in calls.items():
        assert classes[name][: len(arguments)] == arguments
    for name, arguments in methods.items():
        assert functions[name][: len(arguments)] == arguments


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (None, "for the ONNX Runtime backend"),
        ("h100", "makes on the device ([how](tiny.bundle.md))"),
    ],
)
def test_the_page_says_where_the_model_comes_from(tmp_path, device, words):
    page = (served(tmp_path, device=device) / "README.md").read_text(encoding="utf-8")
    assert words in page
    assert all((tmp_path / "tiny" / link).is_file() for link in re.findall(r"\]\(([^)]+)\)", page))


def test_channels_that_no_picture_has_get_no_client():
    settings = ["input.channels=2", "input.mean=[0,0]", "input.std=[1,1]"]
    page = generate_files(CodeSubject(load(str(TINY), settings)), "triton")["tiny/README.md"]
    assert "No picture has 2 channels" in page
    assert "```python" not in page


def test_odd_names_and_titles_break_neither_the_settings_nor_the_page(schema, tmp_path):  # noqa: F811
    from google.protobuf import text_format

    odd = 'a"b\\c\nd?ü'
    title = "a | b\n# c <b> [x](y) `z` *w*"
    spec = load(str(TINY), [f"title={json.dumps(title)}"]).spec
    value = Value(odd, (3, 8, 8), "float32")
    made = TritonModel(
        "tiny", "onnxruntime_onnx", "KIND_AUTO", None, (1, 8), value, [value], tf32=False, as_written=False
    )
    files = render_model_folder(made, spec)
    found = text_format.Parse(files["config.pbtxt"], schema.ModelConfig())
    assert found.input[0].name == odd
    first = files["README.md"].splitlines()[0]
    assert first == r"# a \| b # c \<b\> \[x\](y) \`z\` \*w\* for Triton Inference Server"

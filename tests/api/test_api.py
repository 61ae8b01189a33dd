"""The Python API as its users meet it: the page, its examples, types in their projects, one whole session, refusals."""

import doctest
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import resnet_gen
from resnet_gen.cli import COMMANDS, cli
from tests.refresh import api_page as page

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
NEEDED = {"build_engine": "tensorrt_rtx"}
"""The library that an example needs and that not every machine has."""


class TestPage:
    def test_is_what_the_docstrings_say(self):
        assert page.api_page() == PAGE, "run `make generated`"

    @pytest.mark.parametrize("name", resnet_gen.__all__)
    def test_has_everything_that_is_handed_out(self, name):
        assert f"\n### `{name}`\n" in PAGE
        assert name not in resnet_gen.FUNCTIONS or f"\n| [`{name}`](#{name}) | " in PAGE

    @pytest.mark.parametrize("name", resnet_gen.FUNCTIONS)
    def test_says_all_of_each_function(self, name):
        function = getattr(resnet_gen, name)
        described = page.described(function)
        assert [arg for arg, _ in described.args] == list(inspect.signature(function).parameters)
        assert described.summary.endswith(".")
        assert described.returns
        assert ">>> " in described.example

    @pytest.mark.parametrize("name", resnet_gen.TYPES)
    def test_says_what_each_field_means(self, name):
        section = PAGE.split(f"\n### `{name}`\n")[1].split("\n##")[0]
        assert not re.search(r"\| *\|$", section, re.MULTILINE)

    def test_names_a_function_for_each_command_or_why_there_is_none(self):
        assert sorted([*page.COMMANDS, *page.WITHOUT]) == sorted(COMMANDS)
        assert {name for names in page.COMMANDS.values() for name in names.split(", ")} <= resnet_gen.FUNCTIONS.keys()

    def test_names_options_and_arguments_that_there_are(self):
        commands = [cli.get_command(None, name) for name in COMMANDS]
        options = {option for command in commands for parameter in command.params for option in parameter.opts}
        signatures = [inspect.signature(getattr(resnet_gen, name)) for name in resnet_gen.FUNCTIONS]
        arguments = {name for signature in signatures for name in signature.parameters}
        arguments |= resnet_gen.Options.__annotations__.keys() | resnet_gen.WrapOptions.__annotations__.keys()
        assert page.ARGUMENTS.keys() <= options
        assert {word for words in page.ARGUMENTS.values() for word in words.split(", ")} <= arguments


@pytest.mark.parametrize("name", resnet_gen.FUNCTIONS)
def test_the_example_of_each_function_runs_and_prints_nothing_by_itself(name, tmp_path, monkeypatch, capfd):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    monkeypatch.chdir(tmp_path)
    function = getattr(resnet_gen, name)
    (found,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert found.examples
    said = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found, out=said.append)
    assert result.failed == 0, "".join(said)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("text", ["README.md", "docs/api.md"])
def test_the_first_example_of_a_page_runs(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (shown, *_) = re.findall(r"```pycon\n(.*?)```", (ROOT / text).read_text(encoding="utf-8"), re.DOTALL)
    said = []
    result = doctest.DocTestRunner().run(doctest.DocTestParser().get_doctest(shown, {}, text, text, 0), out=said.append)
    assert result.attempted > 3
    assert result.failed == 0, "".join(said)


class TestNames:
    def test_are_those_that_type_checkers_see(self):
        """The block that is for type checkers alone, and the table that Python uses, say the same."""
        text = (ROOT / "resnet_gen" / "__init__.py").read_text(encoding="utf-8")
        pairs = re.findall(r"^    from resnet_gen\.(\S+) import \w+ as (\w+)$", text, re.MULTILINE)
        assert {name: home for home, name in pairs} == {**resnet_gen.FUNCTIONS, **resnet_gen.TYPES}

    def test_stay_functions_where_a_module_is_called_as_they_are(self):
        code = (
            "import resnet_gen.verify.rules, resnet_gen.build.build, resnet_gen.generate.base\n"
            "from resnet_gen.graph.counts import Counts\n"
            "from resnet_gen import build, count, generate, verify\n"
            "assert not any(isinstance(f, type(resnet_gen)) for f in (build, count, generate, verify))\n"
            "assert isinstance(count('resnet18'), Counts)\n"
            "assert resnet_gen.count is count\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_are_listed_and_no_others_are_there(self):
        assert set(resnet_gen.__all__) <= set(dir(resnet_gen))
        with pytest.raises(AttributeError, match="no attribute 'load_specs'"):
            resnet_gen.load_specs  # noqa: B018

    def test_of_a_spec_load_no_more_than_its_command(self):
        code = "import sys; from resnet_gen import count; count('resnet50'); print(*sys.modules)"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not {"numpy", "onnx", "onnxruntime", "click", "jinja2", "PIL"} & set(result.stdout.split())


TYPED = """\
from pathlib import Path

from resnet_gen import Counts, Finding, Loaded, Prediction, Refused, Report
from resnet_gen import build_engine, count, diff, emit_onnx, load_spec, predict, verify

spec: Loaded = load_spec("resnet50", {"head.classes": 10})
counts: Counts = count(spec)
data: bytes = emit_onnx(spec, precision="fp16", fold=True)
file: Path = emit_onnx(spec, "mine.onnx", batch=8)
engine: Path = build_engine(spec, Path("engines"), compute_capabilities=(86, 89), batch=(1, 8, 32))
findings: tuple[Finding, ...] = verify(spec)
report: Report = diff("resnet50", spec)
try:
    prediction: Prediction = predict(spec, "t4")
except Refused as refused:
    print(refused.problems[0].message)
"""
WRONG = {
    'emit_onnx("resnet50", precision="fp12")': "call-overload",
    'emit_onnx("resnet50", quick=True)': "call-overload",
    'build_engine("resnet50", "out", library="trt")': "arg-type",
    "count(50)": "arg-type",
    'predict("resnet50", "t4").milliseconds': "attr-defined",
}


@pytest.mark.long
def test_a_user_s_project_is_type_checked_against_it(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "right.py").write_text(TYPED, encoding="utf-8")
    wrong = "from resnet_gen import build_engine, count, emit_onnx, predict\n\n" + "\n".join(WRONG) + "\n"
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--hide-error-context", "--cache-dir", str(tmp_path / "cache")]
    result = subprocess.run([*command, "right.py", "wrong.py"], cwd=tmp_path, capture_output=True, text=True)
    errors = re.findall(r"^(\w+)\.py:(\d+): error: .*\[([\w-]+)\]$", result.stdout, re.MULTILINE)
    expected = [("wrong", str(line), kind) for line, kind in enumerate(WRONG.values(), 3)]
    assert list(dict.fromkeys(errors)) == expected, result.stdout + result.stderr


MINE = """\
name: mine
extends: cifar-resnet20
head: {classes: 100}
claims:
  - {what: layers, value: 20, source: the plan}
"""
SESSION = f'''\
import numpy as np
import onnxruntime
from resnet_gen import Refused, build_graph, count, diff, emit_onnx, load_spec, parse_spec, run, verify

mine = parse_spec("""{MINE}""")
graph = build_graph(mine)
counts = count(graph)
print(graph.outputs[0].shape, counts.params, counts.layers)

path = emit_onnx(mine, "mine.onnx", seed=7)
images = np.random.default_rng(0).standard_normal((2, *graph.input.shape)).astype(np.float32)
(logits,) = onnxruntime.InferenceSession(path).run(None, {{graph.input.name: images}})
(same,) = onnxruntime.InferenceSession(emit_onnx(mine, seed=7, fold=True)).run(None, {{"input": images}})
print(logits.shape, np.abs(logits - same).max() < 1e-4, np.abs(logits - run(path, images)["logits"]).max() == 0)

print(verify(mine), verify(mine, against=path))
report = diff("cifar-resnet20", mine)
print(report.same, [change.node.name for change in report.difference.changes])

try:
    parse_spec("name: mine\\nextends: cifar-resnet20\\nhead: {{clases: 100}}")
except Refused as refused:
    print(refused)
'''
PRINTED = """\
(100,) 275572 20
(2, 100) True True
() ()
False ['fc']
<text>:3:8: error: head.clases: unknown key
   3 | head: {clases: 100}
              ^^^^^^
hint: did you mean 'classes'? known: activation, classes, conv, features, kind, softmax
"""


def test_a_session_of_a_user(tmp_path):
    (tmp_path / "session.py").write_text(SESSION, encoding="utf-8")
    command = [sys.executable, "-W", "error", "session.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == PRINTED
    assert [path.name for path in tmp_path.glob("*.onnx*")] == ["mine.onnx"]


class Odd:
    """What no spec holds."""


SMALL = "cifar-resnet20"
REFUSALS = [
    ("count_as", (SMALL, "flops"), {}, "convention: there is no 'flops'"),
    ("load_spec", (3,), {}, "a name or a path is wanted, not a value of type 'int'"),
    ("load_spec", ({},), {}, "name: missing"),
    ("load_spec", ({"name": Odd()},), {}, "load_spec: it holds what YAML has no word for"),
    ("load_spec", (SMALL, {"head.classes": Odd()}), {}, "head.classes: it holds what YAML has no word for"),
    ("load_spec", (SMALL, {"head.clases": 3}), {}, "head.clases: unknown key"),
    ("load_spec", (SMALL, ["head.classes"]), {}, "not of the form key=value"),
    ("parse_spec", (b"name: x",), {}, "parse_spec: not a text"),
    ("parse_spec", ("name: x\nextends: parent.yaml",), {}, "extends: there is no file 'parent.yaml' beside this one"),
    ("parse_spec", ("name: x\nextends: resnet5",), {}, "extends: there is no spec 'resnet5'"),
    ("new_spec", ("a b",), {}, "'a b' is not a name"),
    ("emit_onnx", (SMALL,), {"precision": "fp12"}, "precision: there is no 'fp12'"),
    ("emit_onnx", (SMALL,), {"precision": "int8"}, "--precision int8: needs images to calibrate with"),
    ("emit_onnx", (SMALL,), {"batch": 0}, "batch: '0' is not a whole number from 1 to 65,536"),
    ("emit_onnx", (SMALL,), {"seed": -1}, "seed: '-1' is not a whole number from 0 to 9,223,372,036,854,775,807"),
    ("emit_onnx", (SMALL,), {"opset": 3}, "opset 3 cannot be written"),
    ("emit_onnx", (SMALL,), {"device": "t5"}, "there is no target 't5'"),
    ("emit_onnx", (SMALL,), {"weights": "none.pth"}, "cannot be read: No such file or directory"),
    ("emit_onnx", (SMALL, "."), {}, "cannot be written: a folder has this name"),
    ("build_engine", (SMALL, "out"), {"library": "onnx"}, "library: there is no 'onnx'"),
    ("build_engine", (SMALL, "out"), {"batch": (8, 1, 2)}, "--batch: '8:1:2' does not rise"),
    ("build", (SMALL, "out"), {"target": "report"}, "target: there is no 'report'"),
    ("build", (SMALL, "out"), {"compute_capabilities": (86,)}, "--sm means nothing for target 'onnx'"),
    ("build", (SMALL, "out"), {"weights": "w.npz", "seed": 0}, "--seed means nothing beside --weights"),
    ("build", (SMALL, "out"), {"batch": (1, 8, 32)}, "--batch: a range means nothing for target 'onnx'"),
    ("emit_onnx", (SMALL,), {"weights": "w.npz", "seed": 3}, "--seed means nothing beside --weights"),
    ("run", (SMALL, "x.png"), {"weights": "w.npz", "seed": 3}, "seed: means nothing beside 'weights'"),
    ("check_engine", ("x.onnx",), {"weights": "w.npz", "seed": 0}, "seed: means nothing beside 'weights'"),
    ("verify", (SMALL,), {"select": ["clam"]}, "--select: there is no rule 'clam'"),
    ("verify", (SMALL,), {"weights": "w.npz"}, "weights: means nothing without 'against' or 'evaluate'"),
    ("explain_rule", ("clam",), {}, "there is no rule 'clam'"),
    ("diff", (SMALL, "x.engine"), {}, "an engine does not say what it computes"),
    ("diff", (SMALL, SMALL), {"device": "t4", "precision": "fp9"}, "precision: there is no 'fp9'"),
    ("check_engine", ("x.onnx",), {}, "there is no such file"),
    ("run", (SMALL, [[1.0]]), {}, "images: not numbers of shape (N, C, H, W) for at least one image"),
    ("run", (SMALL, [[[[1.0]]]]), {}, "takes ?x3x32x32, not 1x1x1x1"),
    ("run", (SMALL, "none.jpg"), {}, "cannot be read: No such file or directory"),
    ("run", (SMALL, [[[[1.0]]]]), {"runtime": "trt"}, "runtime: there is no 'trt'"),
    ("bench", (SMALL,), {"seconds": None}, "seconds: neither a time from 0.001 to 86,400 s nor a number of runs"),
    ("predict", (SMALL, "t4"), {"batch": 0}, "batch: '0' is not a whole number from 1 to 65,536"),
    ("load_target", (None,), {}, "a name or a path is wanted, not a value of type 'NoneType'"),
    ("import_file", ("none.onnx",), {}, "cannot be read: No such file or directory"),
]


@pytest.mark.parametrize(("name", "args", "options", "message"), REFUSALS)
def test_what_is_wrong_is_refused(name, args, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(resnet_gen.Refused) as refused:
        getattr(resnet_gen, name)(*args, **options)
    assert refused.value.problems[0].message == message
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_is_not_written_over(tmp_path):
    spec = tmp_path / "mine.yaml"
    spec.write_text(MINE, encoding="utf-8")
    with pytest.raises(resnet_gen.Refused, match="the command reads it"):
        resnet_gen.emit_onnx(spec, spec)
    with pytest.raises(resnet_gen.Refused, match="the command reads it"):
        resnet_gen.emit_onnx(resnet_gen.load_spec(spec), spec)
    assert spec.read_text(encoding="utf-8") == MINE


def test_texts_and_mappings_find_files_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(MINE, encoding="utf-8")
    parsed = resnet_gen.parse_spec("name: other\nextends: base.yaml", {"input.size": 64})
    assert (parsed.spec.head.classes, parsed.spec.input.size) == (100, (64, 64))
    sizes = [16, 32, 64]
    data = {
        "name": "other",
        "extends": "base.yaml",
        "stages": {"depths": [1, 1, 1], "widths": sizes, "shortcut": "projection"},
        "outputs": [],
    }
    assert resnet_gen.count(resnet_gen.load_spec(data)).layers == 8


def test_what_stands_twice_in_a_mapping_is_written_out():
    half = [0.5, 0.5, 0.5]
    loaded = resnet_gen.load_spec({"name": "mine", "extends": SMALL, "input": {"mean": half, "std": half}})
    assert loaded.spec.input.normalization == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_a_setting_is_what_set_makes_of_it():
    by_key = resnet_gen.load_spec(SMALL, {"head.classes": 7, "stages.depths": (1, 2, 1), "norm": {"kind": "batch"}})
    by_text = resnet_gen.load_spec(SMALL, ["head.classes=7", "stages.depths=[1,2,1]", "norm={kind: batch}"])
    assert by_key.canonical() == by_text.canonical()
    assert resnet_gen.load_spec(SMALL, "head.classes=7").spec.head.classes == 7


def test_suppressed_findings_are_none(tmp_path):
    text = MINE.replace("value: 20, source: the plan}", "value: 21, source: the plan}")
    assert [finding.rule for finding in resnet_gen.verify(resnet_gen.parse_spec(text))] == ["claim"]
    ignored = text.rstrip() + "  # resnet-gen: ignore[claim] a plan\n"
    assert resnet_gen.verify(resnet_gen.parse_spec(ignored)) == ()
    assert resnet_gen.verify(resnet_gen.parse_spec(text), ignore=["claim"]) == ()


@pytest.mark.parametrize("function", [resnet_gen.run, resnet_gen.bench])
def test_a_model_that_is_half_written_is_refused_as_by_the_commands(function, tmp_path, monkeypatch):
    def refuse(path):
        raise resnet_gen.Refused([resnet_gen.Problem("half of it is new", str(path))])

    model = resnet_gen.emit_onnx(SMALL, tmp_path / "m.onnx")
    (tmp_path / "m.onnx.data").write_bytes(b"weights")
    monkeypatch.setattr(import_module("resnet_gen.build.models"), "check_whole", refuse)
    given = [np.zeros((1, 3, 32, 32), np.float32)] if function is resnet_gen.run else []
    with pytest.raises(resnet_gen.Refused, match="half of it is new"):
        function(model, *given)


@pytest.mark.parametrize("function", ["build", "build_engine", "emit_onnx"])
def test_an_option_that_is_none_is_said_as_python_says_it(function, tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'precison': did you mean 'precision'"):
        getattr(resnet_gen, function)("resnet18", tmp_path / "any", precison="int8")
    assert not any(tmp_path.iterdir())

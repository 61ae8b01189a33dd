"""ONNX files where commands and functions take a network: what is said of them, and where none is recovered."""

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import resnet_gen
from resnet_gen import Refused
from resnet_gen.graph import stages_of
from resnet_gen.graph.counts import count
from resnet_gen.infer.network_sources import load_or_recover, names_onnx_file, open_network
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from tests.helpers.onnx_runs import TINY


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One network as files: as it is, folded at a fixed batch, in FP16, with an operation of another kind, and cut."""
    folder = tmp_path_factory.mktemp("files")
    renamed = resnet_gen.load_spec(str(TINY), {"naming": "torchvision"})
    resnet_gen.emit_onnx(renamed, folder / "plain.onnx")
    resnet_gen.emit_onnx(renamed, folder / "folded.onnx", fold=True, batch=4)
    resnet_gen.emit_onnx(str(TINY), folder / "half.onnx", precision="fp16")
    model = onnx.load(folder / "folded.onnx")
    onnx.save(with_strange_node(model), folder / "strange.onnx")
    onnx.save(with_second_head(model), folder / "heads.onnx")
    (folder / "cut.onnx").write_bytes((folder / "plain.onnx").read_bytes()[:500])
    return folder


def with_strange_node(model):
    """A product with a constant for each column, and Erf, where only the first ReLU's result was read."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    at = next(number for number, node in enumerate(graph.node) if node.op_type == "Relu")
    value, side = graph.node[at].output[0], 8
    graph.initializer.append(numpy_helper.from_array(np.full((1, 1, 1, side), 0.5, np.float32), "halves"))
    for node in graph.node[at + 1 :]:
        node.input[:] = ["strange" if name == value else name for name in node.input]
    graph.node.insert(at + 1, helper.make_node("Mul", [value, "halves"], ["product"]))
    graph.node.insert(at + 2, helper.make_node("Erf", ["product"], ["strange"]))
    onnx.checker.check_model(model)
    return model


def with_second_head(model):
    """A second linear layer beside the last: each operation is one of ours, and no part makes both."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    gemm = next(node for node in graph.node if node.op_type in ("Gemm", "MatMul"))
    size = next(t for t in graph.initializer if t.name == gemm.input[1]).dims
    width = size[1] if gemm.op_type == "Gemm" else size[0]
    graph.initializer.append(numpy_helper.from_array(np.ones((3, width), np.float32), "more"))
    graph.node.append(helper.make_node("Gemm", [gemm.input[0], "more"], ["second"], transB=1))
    graph.output.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [4, 3]))
    onnx.checker.check_model(model)
    return model


def numbers(path):
    """How many numbers the weights of a file hold, as ONNX has them."""
    return sum(int(np.prod(t.dims)) for t in onnx.load(path).graph.initializer if t.data_type == TensorProto.FLOAT)


@pytest.fixture
def inside(files, tmp_path, monkeypatch):
    """The working folder, with the files in it."""
    shutil.copytree(files, tmp_path / "in")
    monkeypatch.chdir(tmp_path / "in")
    return tmp_path / "in"


@pytest.mark.usefixtures("inside")
class TestCommands:
    def test_count_counts_the_file_and_names_the_spec(self, cli):
        code, out, err = cli("count", "plain.onnx", "--format", "json")
        found, wanted = json.loads(out), count(lower(load(str(TINY))))
        assert code == 0
        assert {key: found[key] for key in wanted.as_dict()} == wanted.as_dict()
        assert (found["file"], found["unknown"]["nodes"], found["reason"]) == ("plain.onnx", [], None)
        assert "plain.onnx: read as" in err
        assert "imported as a spec that computes" in err
        assert "norms folded" not in err

    def test_of_folded_norms_both_counts_are_told(self, cli, inside):
        code, out, err = cli("count", "folded.onnx", "--format", "json")
        found, spec = json.loads(out), count(lower(load(str(TINY))))
        assert code == 0
        assert (found["params"], found["buffers"], found["batch"]) == (numbers(inside / "folded.onnx"), 0, 4)
        assert (found["macs"], found["layers"]) == (spec.macs, spec.layers)
        assert (found["imported"]["params"], found["imported"]["buffers"]) == (spec.params, spec.buffers)
        assert f"with its norms folded: {found['params']:,} parameters and 0 buffers" in err
        assert f"has {spec.params:,} parameters and {spec.buffers:,} buffers" in err
        assert "fixed to a batch of 4: counted for one image" in err

    def test_of_another_precision_it_is_told(self, cli):
        code, out, err = cli("count", "half.onnx", "--format", "json")
        assert code == 0
        assert json.loads(out)["precision"] == "fp16"
        assert "computes in fp16: counted as the float32 network" in err

    def test_what_is_not_known_is_named_and_counted_apart(self, cli, inside):
        code, out, err = cli("count", "strange.onnx", "--format", "json")
        found = json.loads(out)
        assert code == 0
        assert found["params"] == numbers(inside / "strange.onnx")
        assert found["unknown"] == {"nodes": found["unknown"]["nodes"], "params": 8, "macs": 0}
        assert len(found["unknown"]["nodes"]) == 2
        assert found["imported"] is None
        assert "ONNX's Mul" in found["reason"]
        assert "no spec was recovered: no part makes" in err
        assert "unknown: 2 operations of the file" in err
        assert "(Mul)" in err
        assert "(Erf)" in err

    def test_specs_and_files_are_counted_in_one_table(self, cli):
        code, out, _ = cli("count", str(TINY), "plain.onnx")
        header, spec, file = out.splitlines()
        assert code == 0
        assert spec.split()[1:] == file.split()[1:]
        assert header.split()[:2] == ["name", "input"]

    @pytest.mark.parametrize("file", ["plain", "folded"])
    def test_show_has_the_stages_of_the_spec(self, cli, file):
        code, out, _ = cli("show", f"{file}.onnx", "--format", "json")
        wanted = json.loads(cli("show", str(TINY), "--format", "json")[1])
        assert code == 0
        same = ("stage", "output", "blocks", "macs", *(["params"] if file == "plain" else []))
        assert [[row[key] for key in same] for row in json.loads(out)] == [[row[key] for key in same] for row in wanted]

    def test_show_resolved_is_the_recovered_spec(self, cli):
        code, out, _ = cli("show", "folded.onnx", "--resolved", "--format", "json")
        assert code == 0
        found, wanted = (data["stages"] for data in (json.loads(out), load(str(TINY)).resolved()))
        assert [found[key] for key in ("depths", "block")] == [wanted[key] for key in ("depths", "block")]

    def test_without_stages_a_line_a_layer_is_shown_and_programs_are_refused(self, cli):
        code, out, err = cli("show", "strange.onnx")
        assert code == 0
        assert out == cli("show", "strange.onnx", "--layers")[1]
        assert "ONNX's Erf" in out
        assert "its stages are not known without a spec" in err
        code, out, err = cli("show", "strange.onnx", "--format", "json")
        assert (code, out) == (2, "")
        assert "without --layers this needs a spec, and none was recovered" in err
        assert cli("show", "strange.onnx", "--layers", "--format", "json")[0] == 0

    def test_predict_has_the_times_of_the_spec(self, cli):
        words = ("--for", "t4", "--precision", "fp32", "--format", "json")
        wanted = json.loads(cli("predict", str(TINY), *words)[1])
        for file in ("plain.onnx", "folded.onnx"):
            found = json.loads(cli("predict", file, *words)[1])
            assert [row["name"] for row in found["stages"]] == [row["name"] for row in wanted["stages"]]
            assert found["milliseconds"] == pytest.approx(wanted["milliseconds"], rel=0.01)  # biases for norms

    def test_predict_needs_no_spec_where_each_operation_is_known(self, cli):
        code, out, err = cli("predict", "heads.onnx", "--for", "t4", "--layers", "--format", "json")
        assert code == 0
        assert json.loads(out)["layers"]
        assert "no spec was recovered" in err
        code, out, err = cli("predict", "strange.onnx", "--for", "t4")
        assert (code, out) == (2, "")
        assert "a prediction needs a spec, and none was recovered: no part makes" in err

    @pytest.mark.parametrize("to", ["pytorch", *(pytest.param(to, marks=pytest.mark.long) for to in ("flax", "card"))])
    def test_generate_writes_the_recovered_spec(self, cli, inside, to):
        code, out, err = cli("generate", "folded.onnx", "--to", to, "-o", "out")
        assert code == 0, err
        (text,) = [(inside / line).read_text() for line in out.splitlines()]
        spec = inside / "folded.yaml"
        assert cli("import", "folded.onnx", "-o", spec)[0] == 0
        assert cli("generate", spec, "--to", to, "-o", "again")[0] == 0
        assert [(inside / "again" / (inside / line).name).read_text() for line in out.splitlines()] == [text]
        assert "not carried: its weights, which `resnet-gen import folded.onnx --weights FILE.safetensors`" in err
        assert "not carried: how a picture becomes the input" in err

    @pytest.mark.parametrize(
        ("words", "what"),
        [
            (("generate", "--to", "pytorch", "-o", "out"), "--to pytorch"),
            (("show", "--resolved"), "--resolved"),
            (("count", "--convention", "fvcore"), "--convention"),
        ],
    )
    def test_what_needs_a_spec_says_why_there_is_none(self, cli, inside, words, what):
        code, out, err = cli(words[0], "strange.onnx", *words[1:])
        assert (code, out) == (2, "")
        assert f"strange.onnx: error: {what} needs a spec, and none was recovered: no part makes" in err
        assert "ONNX's Mul" in err
        assert err.count("no part makes") == 1
        assert not (inside / "out").exists()

    def test_other_counters_count_the_spec(self, cli):
        found, wanted = (
            json.loads(cli("count", name, "--convention", "fvcore", "--format", "json")[1])
            for name in ("folded.onnx", str(TINY))
        )
        assert found["figures"] == wanted["figures"]

    @pytest.mark.parametrize("words", [("count",), ("generate", "--to", "flax")])
    def test_settings_change_no_file(self, cli, words):
        code, out, err = cli(words[0], "plain.onnx", *words[1:], "--set", "head.classes=3")
        assert (code, out) == (2, "")
        assert "plain.onnx: error: an ONNX file has its own shape and layers, which no key changes" in err
        assert "`resnet-gen import plain.onnx -o .` writes a spec" in err

    def test_a_broken_file_is_refused(self, cli):
        for name in ("cut.onnx", "not-there.onnx"):
            code, out, err = cli("count", name)
            assert (code, out) == (2, "")
            assert f"{name}: error: " in err

    def test_commands_that_want_a_spec_say_what_takes_a_file(self, cli, inside):
        (inside / "x.engine").write_bytes(b"")
        (inside / "w.npz").write_bytes(b"")
        for command in ("verify", "build"):
            code, _, err = cli(command, "plain.onnx")
            assert code == 2
            assert "plain.onnx: error: an ONNX file is no spec" in err
            assert "`resnet-gen import plain.onnx` recovers one from it" in err
            assert "`resnet-gen verify SPEC --against plain.onnx` compares it" in err
        for command in ("count", "import"):
            code, _, err = cli(command, "x.engine")
            assert code == 2
            assert "x.engine: error: an engine does not say what it computes" in err
            assert "give the ONNX file that it was built from" in err
        code, _, err = cli("show", "w.npz")
        assert code == 2
        assert "w.npz: error: weights are no spec" in err
        assert "`resnet-gen import w.npz` finds the spec" in err


class TestFunctions:
    def test_a_file_is_taken_for_its_network(self, files, tmp_path):
        plain, folded, spec = files / "plain.onnx", files / "folded.onnx", load(str(TINY))
        assert resnet_gen.count(resnet_gen.load_spec(plain)) == resnet_gen.count(spec)
        assert resnet_gen.count(plain) == resnet_gen.count(spec)
        assert resnet_gen.count(folded).params == numbers(folded)
        assert resnet_gen.count(resnet_gen.build_graph(folded)) == resnet_gen.count(folded)
        assert resnet_gen.count_as(folded, "fvcore").value == resnet_gen.count_as(spec, "fvcore").value
        assert resnet_gen.show(plain) == resnet_gen.show(spec)
        found, wanted = (resnet_gen.predict(one, "t4", precision="fp32") for one in (plain, spec))
        assert found.stages() == wanted.stages()
        (file,) = resnet_gen.generate(plain, "pytorch", tmp_path)
        assert "class " in file.read_text()

    def test_what_is_not_known_is_warned_of(self, files):
        strange = files / "strange.onnx"
        with pytest.warns(UserWarning, match="spec|unknown") as warned:
            found = resnet_gen.count(strange)
        assert found.params == numbers(strange)
        assert ["no spec was recovered" in str(warning.message) for warning in warned] == [True, False]
        assert {warning.filename for warning in warned} == {__file__}
        assert "unknown: 2 operations" in str(warned[1].message)
        for refused in (resnet_gen.load_spec, lambda path: resnet_gen.generate(path, "pytorch")):
            with pytest.raises(Refused, match="needs a spec, and none was recovered: no part makes"):
                refused(strange)

    def test_settings_change_no_file(self, files):
        with pytest.raises(Refused, match="which no key changes"):
            resnet_gen.load_spec(files / "plain.onnx", {"head.classes": 3})

    def test_what_builds_takes_no_file(self, files, tmp_path):
        for refused in (resnet_gen.verify, lambda path: resnet_gen.emit_onnx(path, tmp_path / "out.onnx")):
            with pytest.raises(Refused, match="an ONNX file is no spec"):
                refused(files / "plain.onnx")

    def test_a_shipped_name_is_no_file(self):
        assert not names_onnx_file("resnet18")
        assert names_onnx_file("resnet18.onnx")
        assert open_network("resnet18").loaded == load("resnet18")
        assert load_or_recover("resnet18", ["head.classes=3"]).spec.head.classes == 3


@pytest.mark.parametrize("name", ["plain", "folded"])
def test_the_layers_in_stages_are_the_files(files, name):
    source = open_network(str(files / f"{name}.onnx"))
    staged, graph = source.staged, source.graph
    assert count(staged) == count(graph)
    assert {node.name for node in staged.nodes} == {node.name for node in graph.nodes}
    assert staged.outputs == graph.outputs
    assert list(stages_of(staged.nodes)) == ["stem", "stages.0", "head"]
    made = {staged.input.name}
    for node in staged.nodes:  # in an order in which they can be done
        assert made.issuperset(value.name for value in node.inputs)
        made.add(node.output.name)

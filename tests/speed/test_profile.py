"""Measured layers beside predicted kernels: trtexec's files, ONNX Runtime's own profiler, and what they make."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from resnet_gen import build_graph, emit_onnx, load_target, predict, profile
from resnet_gen.problems import Refused
from resnet_gen.speed.layer_comparison import compare_layers
from resnet_gen.speed.prediction import find_efficiency
from resnet_gen.speed.prediction import predict as predict_graph
from resnet_gen.speed.profile_files import MeasuredLayer, ProfileData, split_layer_name

NET = "cifar-resnet20"


def write(path, layers, count=100):
    """A profile as trtexec writes it: {name: milliseconds}."""
    rows = [{"name": n, "timeMs": t * count, "averageMs": t, "medianMs": t, "percentage": 1} for n, t in layers.items()]
    path.write_text(json.dumps([{"count": count}, *rows]))
    return path


def predicted(batch=1):
    return predict(NET, "t4", batch=batch)


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("conv1 + relu", ("conv1", "relu")),
        ("layer1.0.conv2 + layer1.0.add + layer1.0.relu2", ("layer1.0.conv2", "layer1.0.add", "layer1.0.relu2")),
        ("PWN(relu)", ("relu",)),
        ("PWN(PWN(sigmoid), mul)", ("sigmoid", "mul")),
        ("conv1 + PWN(relu)", ("conv1", "relu")),
        ("{ForeignNode[a...b]}", ("a...b",)),
        ("fused conv1", ("conv1",)),
        ("conv1", ("conv1",)),
        ("((((((((((", ()),
    ],
)
def test_the_name_of_a_fused_layer_says_its_nodes(name, nodes):
    assert split_layer_name(name) == nodes


def test_every_kernel_is_found_again_under_the_names_of_its_nodes():
    """The prediction's own kernels, named as an engine names fused layers, taking what was predicted."""
    prediction = predicted()
    e = prediction.efficiency.value
    layers = tuple(
        MeasuredLayer(" + ".join(n.name for n in c.kernel.nodes), 1e3 * c.seconds(e),
                      tuple(n.name for n in c.kernel.nodes))
        for c in prediction.costs
    )  # fmt: skip
    found = compare_layers(prediction, ProfileData("trtexec", 1, layers))
    assert (found.unmeasured, found.unpredicted) == ((), ())
    assert [row.ratio for row in found.rows] == pytest.approx([1.0] * len(layers))
    assert found.efficiency == pytest.approx(e, rel=1e-6)
    nodes = {node.name for cost in prediction.costs for node in cost.kernel.nodes}
    assert nodes == {n.name for n in build_graph(NET).nodes if n.name != "flatten"}


def test_onnx_runtime_s_own_profile_of_our_file_has_every_kernel(tmp_path):
    """A witness that is no stand-in: its optimizer fuses and renames, and all is found."""
    emit_onnx(NET, tmp_path / "net.onnx")
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "ort")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", options, providers=["CPUExecutionProvider"])
    for _ in range(3):
        session.run(None, {"input": np.zeros((1, 3, 32, 32), np.float32)})
    found = profile(session.end_profiling(), NET, device="t4", precision="fp32")
    assert (found.profile.kind, found.profile.runs) == ("onnxruntime", 3)
    assert found.unmeasured == ()
    assert {row.name for row in found.unpredicted if "Reorder" not in row.name} == {"flatten"}
    total = sum(layer.milliseconds for row in found.rows for layer in row.layers)
    assert total == pytest.approx(found.profile.milliseconds)


def test_a_cpu_of_which_no_rate_is_stated_has_those_that_its_layers_reached(tmp_path, cli):
    """Of layers that were made with known rates these come back, and what is stated in a file stays."""
    known = load_target("cpu").model_copy(update={"peak_tflops": {"fp32": 0.05}, "bandwidth_gb_s": 2.0})
    made = predict_graph(build_graph(NET), known, "fp32", 4)
    times = {c.kernel.node.name: 1e3 * c.seconds(1.0) for c in made.costs}
    path = write(tmp_path / "p.json", {**times, "fc": 1e-6})  # as a runtime rounds what hardly takes time
    found = profile(path, NET, device="cpu", batch=4)
    assert (found.estimated, found.prediction.precision) == (True, "fp32")
    assert found.prediction.target.peak_tflops["fp32"] == pytest.approx(0.05, rel=1e-3)
    assert found.prediction.target.bandwidth_gb_s == pytest.approx(2.0, rel=1e-3)
    assert found.efficiency == pytest.approx(1.0, rel=0.05)
    slowed = dict.fromkeys(["conv1", "layer2.0.conv1"], 1e3 * sum(times.values()))  # which were interrupted
    noisy = profile(write(tmp_path / "n.json", {**times, **slowed}), NET, device="cpu", batch=4)
    assert noisy.prediction.target.peak_tflops["fp32"] == pytest.approx(0.05, rel=1e-3)
    assert noisy.prediction.target.bandwidth_gb_s == pytest.approx(2.0, rel=1e-3)
    half = found.prediction.target.model_copy(update={"bandwidth_gb_s": None, "peak_tflops": {"fp32": 7.0}})
    stated = profile(path, NET, device=half, batch=4)
    assert stated.prediction.target.peak_tflops == {"fp32": 7.0}
    assert stated.prediction.target.bandwidth_gb_s == pytest.approx(2.0, rel=1e-3)
    whole = profile(path, NET, device=found.prediction.target, batch=4)
    assert not whole.estimated
    with pytest.raises(Refused, match="no peak of fp16 is known for t4-less"):
        profile(path, NET, device=load_target("t4").model_copy(update={"name": "t4-less", "peak_tflops": {}}))
    with pytest.raises(Refused, match="no rate of cpu follows from these layers"):
        profile(write(tmp_path / "q.json", {"elsewhere": 1.0}), NET, device="cpu")
    moving = {c.kernel.node.name: 1.0 for c in made.costs if not c.compute}
    assert moving
    with pytest.raises(Refused, match="no rate of cpu follows from these layers"):  # of memory, but none of arithmetic
        profile(write(tmp_path / "r.json", moving), NET, device="cpu")


def test_onnx_runtime_s_own_profile_of_this_machine_makes_a_device_of_it(tmp_path, cli):
    """From end to end, with nothing but what is here: measured, matched, written, read again, predicted with."""
    emit_onnx(NET, tmp_path / "net.onnx")
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "ort")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", options, providers=["CPUExecutionProvider"])
    for _ in range(3):
        session.run(None, {"input": np.zeros((8, 3, 32, 32), np.float32)})
    path = session.end_profiling()
    command = ["profile", path, "--spec", NET, "--for", "cpu", "--batch", "8"]
    device = tmp_path / "here.yaml"
    code, out, err = cli(*command, "--calibrate", device)
    assert code == 0, err
    assert "no peak is stated of cpu: " in out
    code, out, _ = cli(*command, "--format", "json")
    data = json.loads(out)
    assert (code, data["precision"], data["rates_from_profile"]) == (0, "fp32", True)
    seconds = predict(NET, str(device), precision="fp32", batch=8).seconds
    assert seconds == pytest.approx(data["measured_ms"] / 1e3, rel=0.01)
    assert load_target(str(device)).note.startswith("Peak and bandwidth are the best")


def run_profiled(tmp_path, *batches):
    """ONNX Runtime's own profile of a small network, run with these batches."""
    emit_onnx(NET, tmp_path / "net.onnx")
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "ort")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", options, providers=["CPUExecutionProvider"])
    for batch in batches:
        session.run(None, {"input": np.zeros((batch, 3, 32, 32), np.float32)})
    return session.end_profiling()


def test_the_batch_is_the_profile_s_own(tmp_path, cli):
    """Images a second are as many times more as images are at once; no other batch, nor two, are taken for it."""
    path = run_profiled(tmp_path, 4, 4)
    found = profile(path, NET, device="cpu")
    assert (found.profile.batch, found.prediction.batch) == (4, 4)
    assert found.images_per_second == pytest.approx(4e3 / found.profile.milliseconds)
    assert profile(path, NET, device="cpu", batch=4).prediction.batch == 4
    with pytest.raises(Refused, match="its runs had 4 images at once, not 1"):
        profile(path, NET, device="cpu", batch=1)
    with pytest.raises(Refused, match="its runs had batches of 1 and of 8"):
        profile(run_profiled(tmp_path, 8, 1), NET, device="cpu")


@pytest.mark.parametrize(
    "arguments",
    [None, [], {"op_name": "Conv"}, {"op_name": 1, "output_type_shape": [{"float": [4]}]},
     *({"op_name": "Conv", "output_type_shape": shape} for shape in (
         1, [], [1], [{}], [{"a": [1], "b": [2]}], [{"a": 4}], [{"a": []}], [{"a": ["4"]}], [{"a": [True]}],
         [{"a": [0]}], [{"a": [10**30]}], [{"a": [[4]]}], {"a": [4]},
     ))],
)  # fmt: skip
def test_a_batch_that_is_none_is_not_taken(arguments, tmp_path):
    event = {"cat": "Node", "name": "conv1_kernel_time", "dur": 5, "args": arguments}
    path = tmp_path / "p.json"
    path.write_text(json.dumps([event]))
    assert profile(path, NET, device="t4").profile.batch is None


def test_what_a_cpu_computed_makes_no_gpu(tmp_path, cli):
    path = run_profiled(tmp_path, 1)
    command = ["profile", path, "--spec", NET, "--precision", "fp32", "--calibrate", tmp_path / "d.yaml", "--for"]
    code, _, err = cli(*command, "t4")
    assert (code, err.splitlines()[0]) == (2, "error: a CPU computed what was measured, and t4 is none")
    assert not (tmp_path / "d.yaml").exists()
    path = write(tmp_path / "d.json", {c.kernel.node.name: 1.0 for c in predict(NET, "t4").costs})
    assert not profile(path, NET, device="t4").profile.on_cpu


def test_a_profile_of_many_runs_is_not_too_large(tmp_path, monkeypatch):
    path = write(tmp_path / "p.json", {"conv1": 1.0, "x" * 90_000: 1.0})
    path.write_text(path.read_text() + " " * (6 << 20))
    assert profile(path, NET, device="t4").profile.runs == 100
    path.write_text(path.read_text() + " " * (11 << 20))
    with pytest.raises(Refused, match="more than 16 MiB, too large for a profile") as refused:
        profile(path, NET, device="t4")
    assert refused.value.problems[0].hint == "profile fewer runs"


def test_what_only_one_of_the_two_has_is_said(tmp_path, cli):
    path = write(tmp_path / "p.json", {
        "Reformatting CopyNode for Input Tensor 0 to conv1 + relu": 0.25, "conv1 + relu": 1.0,
        "__myl_fused_0": 2.0, "{ForeignNode[layer3.0.conv1...fc]}": 4.0, "elsewhere": 8.0,
    })  # fmt: skip
    information = tmp_path / "l.json"
    information.write_text(json.dumps({"Layers": [
        {"Name": "__myl_fused_0", "Metadata": "[ONNX Layer: layer1.0.conv1]\u001f[ONNX Layer: layer1.0.conv2 | f (g)]"},
        "a name alone",
    ]}))  # fmt: skip
    found = profile([path, information], NET, device="t4")
    names = [row.name for row in found.unpredicted]
    assert names == ["Reformatting CopyNode for Input Tensor 0 to conv1 + relu", "elsewhere"]
    by_name = {row.name: row for row in found.matched}
    assert {name: row.measured_ms for name, row in by_name.items()} == {
        "conv1": 1.0, "layer1.0.conv1": 2.0, "layer3.0.conv1": 4.0,
    }  # fmt: skip
    assert [c.kernel.node.name for c in by_name["layer1.0.conv1"].kernels] == ["layer1.0.conv1", "layer1.0.conv2"]
    code, out, _ = cli("profile", path, information, "--spec", NET, "--for", "t4")
    assert code == 0
    assert "measured, and of no predicted kernel: 2 layers, 8.2500 ms" in out
    code, out, _ = cli("profile", path, information, "--spec", NET, "--for", "t4", "--format", "json")
    data = json.loads(out)
    assert data["measured_ms"] == 15.25
    assert sum(row["measured_ms"] or 0 for row in data["rows"]) == 15.25


def test_a_profile_makes_a_device_that_predicts_what_was_measured(tmp_path, cli):
    """Of a shipped network as `measured`, of another as `efficiency`; the prediction on that device is the profile."""
    for spec, key in ((NET, "measured"), ("mine.yaml", "efficiency")):
        place = tmp_path / spec
        if spec != NET:
            place.write_text(f"name: mine\nextends: {NET}\nhead: {{classes: 5}}\n")
        named = spec if spec == NET else str(place)
        prediction = predict(named, "t4", batch=32)
        layers = {" + ".join(n.name for n in c.kernel.nodes): 2e3 * c.seconds(0.1) for c in prediction.costs}
        path = write(tmp_path / "p.json", layers)
        device = tmp_path / f"{key}.yaml"
        command = ["profile", path, "--spec", named, "--for", "t4", "--batch", "32", "--calibrate", device]
        code, _, err = cli(*command)
        assert code == 0, err
        target = load_target(str(device))
        assert (target.name, getattr(target, key) is not None) == ("t4-measured", True)
        assert predict(named, str(device), batch=32).seconds == pytest.approx(sum(layers.values()) / 1e3, rel=0.01)
        assert cli(*command)[0] == 2
        assert cli(*command, "--force")[0] == 0
    assert find_efficiency(target).basis == "stated in the device's file"


def test_a_profile_of_half_the_network_makes_no_device(tmp_path, cli):
    path = write(tmp_path / "p.json", {"conv1 + relu": 1.0})
    code, _, err = cli("profile", path, "--spec", NET, "--for", "t4", "--calibrate", tmp_path / "d.yaml")
    assert (code, "of kernels that no measured layer names" in err) == (2, True)
    assert not (tmp_path / "d.yaml").exists()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "[1]", '[{"count": 1}]', '[{"count": 0}, {"name": "a", "averageMs": 1}]',
     '[{"count": 1}, {"name": "a", "averageMs": NaN}]', '[{"count": 1}, {"name": "a", "averageMs": -1}]',
     '[{"count": 1}, {"name": "a", "averageMs": 1e400}]', '[{"count": 1}, {"name": 1, "averageMs": 1}]',
     '[{"cat": "Node", "name": "a_kernel_time", "dur": 1%s}]' % ("0" * 400),
     '[{"count": true}, {"name": "a", "averageMs": 1}]', "[" * 9999, '{"Layers": 1}', '{"Layers": [{}]}', '"x"'],
)  # fmt: skip
def test_what_is_no_profile_is_refused(text, tmp_path):
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(Refused, match=r"not a profile of layers|layer information alone"):
        profile(path, NET, device="t4")


def test_the_manifest_says_the_network_and_never_runs_its_parts(tmp_path):
    path = write(tmp_path / "p.profile.json", {"conv1": 1.0})
    with pytest.raises(Refused, match="of which network"):
        profile(path)
    resolved = {"name": "p", "parts": ["evil.py"]}
    spec = {"sha256": "0" * 64, "resolved": resolved}
    whole = {"spec": spec, "weights": {"source": "seed"}, "engine": None, "files": {}}
    Path(tmp_path / "p.manifest.json").write_text(json.dumps(whole))
    with pytest.raises(Refused, match="parts of its own"):
        profile(path)


def test_two_profiles_are_one_too_many(tmp_path):
    paths = [write(tmp_path / f"{n}.json", {"conv1": 1.0}) for n in "ab"]
    with pytest.raises(Refused, match="two profiles"):
        profile(paths, NET, device="t4")

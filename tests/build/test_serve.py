"""What a file puts around a network: it outputs what the network does for a picture as `run --image` reads it."""

import json
from functools import cache

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from scipy.special import softmax
from sklearn.datasets import load_sample_images

import resnet_gen
from resnet_gen.build.build import build, model_bytes
from resnet_gen.build.passes import prepare
from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.build.serving import describe_serving
from resnet_gen.engine.image import normalize_pixels
from resnet_gen.graph.counts import count
from resnet_gen.graph.serving import pixel_step
from resnet_gen.graph.surroundings import PixelInput
from resnet_gen.language.load import load, with_settings
from resnet_gen.language.lower import lower
from resnet_gen.problems import Refused
from resnet_gen.speed.targets import load_target
from tests.helpers import onnx_runs
from tests.helpers.onnx_runs import TINY, run_named
from tests.helpers.served import COLOURS, SIDE, eight_bits, load_served

SERVED = "[logits, probabilities, top3, embedding, normalized_embedding, stage1]"
NEAR = 1e-6


@cache
def crops():
    """Twenty pieces of two photographs, (N, H, W, C) of bytes."""
    found = [
        photo[y : y + SIDE, x : x + SIDE]
        for photo in load_sample_images().images
        for x in range(0, 600, 70)
        for y in (50, 200)
    ]
    return np.stack(found)


@cache
def wanted():
    """What the bare network outputs for the crops as `run --image` reads them."""
    bare = load(str(TINY), (*COLOURS, "outputs=[stage1]"))
    x = np.concatenate([normalize_pixels(crop, bare.spec.input) for crop in crops()])
    return run_named(model_bytes(bare, Request()), x)


def handed_over(serve):
    """The crops as a file with these settings takes them."""
    x = crops()
    if "order=BGR" in serve:
        x = x[..., ::-1]
    if "layout=NCHW" in serve:
        x = x.transpose(0, 3, 1, 2)
    if "type=float32" in serve:
        x = x.astype(np.float32) / (1 if "scale=255" in serve else 255)
    return np.ascontiguousarray(x)


def agrees(model, x, key="logits"):
    """Whether a file outputs, of what it is handed, what the network does."""
    found, own = run_named(model, x)[key], wanted()[key]
    return bool(np.abs(found - own).max() <= NEAR * np.abs(own).max())


WAYS = [
    (), ("layout=NCHW",), ("order=BGR",), ("type=float32",), ("type=float32", "scale=255", "order=BGR", "layout=NCHW"),
]  # fmt: skip


@pytest.mark.parametrize("serve", WAYS, ids=str)
def test_the_outputs_are_those_of_pictures_as_they_are_read(serve):
    model = model_bytes(load_served(*serve, f"outputs={SERVED}"), Request())
    found, own = run_named(model, handed_over(serve)), wanted()
    tolerance = NEAR * np.abs(own["logits"]).max()
    assert np.abs(found["logits"] - own["logits"]).max() <= tolerance
    assert (found["logits"].argmax(1) == own["logits"].argmax(1)).all()
    assert np.allclose(found["stage1"], own["stage1"], atol=1e-5)
    assert np.allclose(found["probabilities"], softmax(found["logits"].astype(np.float64), axis=1), atol=1e-6)
    best = np.argsort(-found["logits"], axis=1, kind="stable")[:, :3]
    assert found["top3_indices"].dtype == np.int64
    assert (found["top3_indices"] == best).all()
    assert (found["top3_values"] == np.take_along_axis(found["probabilities"], best, 1)).all()
    assert np.allclose(found["embedding"], found["stage1"].mean((2, 3)), atol=1e-5)
    length = np.linalg.norm(found["embedding"].astype(np.float64), axis=1, keepdims=True)
    assert np.allclose(found["normalized_embedding"], found["embedding"] / length, atol=1e-6)


@pytest.mark.parametrize("serve", WAYS, ids=str)
def test_what_the_network_takes_is_normalized_as_in_64_bits(serve):
    model = onnx.load_from_string(model_bytes(load_served(*serve), Request()))
    model.graph.output.append(onnx.helper.make_tensor_value_info("serve.normalize", onnx.TensorProto.FLOAT, None))
    found = run_named(model.SerializeToString(), handed_over(serve))["serve.normalize"]
    mean, std = (np.asarray(values, np.float64) for values in load_served().spec.input.normalization)
    exact = ((crops().astype(np.float64) / 255 - mean) / std).transpose(0, 3, 1, 2)
    assert np.abs(found - exact).max() < NEAR


def test_onnx_itself_computes_the_same():
    request = Request(opset=15)  # before it, onnx computes norms as in training
    model = model_bytes(load_served(f"outputs={SERVED}"), request)
    checked = onnx.load_from_string(model)
    onnx.checker.check_model(checked, full_check=True)
    x = crops()[:2]
    names = [value.name for value in checked.graph.output]
    found = dict(zip(names, ReferenceEvaluator(checked).run(None, {"input": x}), strict=True))
    for name, values in run_named(model, x).items():
        assert np.allclose(values, found[name], atol=1e-5), name


def test_a_wrong_mean_a_swapped_order_and_another_scale_are_noticed():
    right = model_bytes(load_served(), Request())
    assert agrees(right, crops())
    wrong = [load_served(more=("input.mean=[0.485, 0.456, 0.407]",)), load_served("order=BGR")]
    assert [agrees(model_bytes(each, Request()), crops()) for each in wrong] == [False] * 2
    floats, scales = crops().astype(np.float32), ("scale=255", "scale=1")
    made = [model_bytes(load_served("type=float32", scale), Request()) for scale in scales]
    assert [agrees(model, floats) for model in made] == [True, False]
    assert [agrees(model, floats / 255) for model in made] == [False, True]
    assert not agrees(right, np.ascontiguousarray(crops()[..., ::-1]))


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_in_sixteen_bits_the_inside_is_the_network_that_is_built_without(precision):
    loaded, request = load_served(), Request(precision=precision)
    network = prepare(loaded, request)
    bare = prepare(load(str(TINY), COLOURS), request)
    assert network.inside == bare.graph
    assert network.counts == bare.counts
    assert next(n for n in network.graph.nodes if n.role != "serving").name == "input.cast"
    if precision == "fp16":  # ONNX Runtime has no convolution of bfloat16 on CPUs
        x = np.concatenate([normalize_pixels(crop, loaded.spec.input) for crop in crops()])
        plain = onnx_runs.model_bytes(bare.graph, bare.weights)
        assert (run_named(model_bytes(loaded, request), crops())["logits"] == run_named(plain, x)["logits"]).all()


# --- eight bits ----------------------------------------------------------------

WHOLE = [(0.0, 1.0), (128 / 255, 64 / 255), (0.4, 0.25)]


@pytest.mark.parametrize(("mean", "std"), WHOLE)
def test_pixels_are_their_own_eight_bits_where_the_mean_is_a_whole_one(mean, std):
    scale, zero = pixel_step(PixelInput(mean=(mean,) * 3, std=(std,) * 3))
    taken = load_served(more=(f"input.mean=[{mean}, {mean}, {mean}]", f"input.std=[{std}, {std}, {std}]")).spec.input
    every = np.arange(256, dtype=np.uint8).reshape(SIDE, SIDE, 1).repeat(3, axis=2)
    values = normalize_pixels(every, taken)[0].transpose(1, 2, 0)
    assert (np.rint(values / np.float32(scale)) + zero == every).all()


@pytest.mark.parametrize(
    ("mean", "std"), [((0.5,) * 3, (0.5,) * 3), ((0.0, 0.0, 0.2), (1.0,) * 3), ((0.0,) * 3, (1.0, 1.0, 0.5))]
)
def test_elsewhere_they_are_not(mean, std):
    assert pixel_step(PixelInput(mean=mean, std=std)) is None


@pytest.mark.parametrize("serve", [(), ("layout=NCHW",), ("order=BGR",), ("size=any",)])
@pytest.mark.parametrize(("mean", "std"), [WHOLE[0], pytest.param(*WHOLE[1], marks=pytest.mark.long)])
def test_an_int8_file_reads_the_bytes_and_computes_what_it_does_by_way_of_floats(mean, std, serve):
    more = ("input.crop=1", f"input.mean=[{mean}, {mean}, {mean}]", f"input.std=[{std}, {std}, {std}]")
    loaded = load_served(*serve, more=more)
    network = prepare(loaded, eight_bits())
    model = onnx_runs.model_bytes(network.graph, network.weights)
    names = {node.name: node.op_type for node in onnx.load_from_string(model).graph.node}
    assert "serve.normalize" not in names
    assert names.get("input.quantize") is None
    assert names["input.dequantize"] == "DequantizeLinear"
    x = np.concatenate([normalize_pixels(crop, loaded.spec.input) for crop in crops()])
    inside = onnx_runs.model_bytes(network.inside, network.weights)
    for optimized in (False, True):
        own = onnx_runs.Session(inside, optimized=optimized).run(x)
        assert (onnx_runs.Session(model, optimized=optimized).run(handed_over(serve)) == own).all()


PLAIN = ("input.mean=[0,0,0]", "input.std=[1,1,1]")


@pytest.mark.parametrize(
    ("more", "request_", "reason"),
    [
        ((), eight_bits(), "255 * mean is no whole number, or mean or std differ between channels"),
        (PLAIN, eight_bits(), None),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (
                (("serve.type=float32",), eight_bits(), "pixels come as floats"),
                (PLAIN, eight_bits("tensorrt"), "the first layer reads signed numbers"),
                ((*PLAIN, "quantization.keep=[stem]"), eight_bits(), "the first layer is not in eight bits"),
            )
        ),
    ],
)
def test_the_manifest_says_whether_the_first_layer_reads_bytes_and_why_not(more, request_, reason):
    network = prepare(with_settings(load_served(), more), request_)
    entry = describe_serving(network)["first_layer"]
    assert entry == {"reads_bytes": reason is None, "reason": reason}
    pixels = handed_over(more[0].removeprefix("serve.") if more else "")
    read = run_named(onnx_runs.model_bytes(network.graph, network.weights), pixels)
    x = np.concatenate([normalize_pixels(crop, with_settings(load_served(), more).spec.input) for crop in crops()])
    inside = run_named(onnx_runs.model_bytes(network.inside, network.weights), x)
    assert np.allclose(read["logits"], inside["logits"], atol=1e-5)


# --- what is said, and what is refused -----------------------------------------


def test_the_counts_are_the_networks_and_what_was_put_around_is_told_apart():
    loaded = load_served(f"outputs={SERVED}")
    network = prepare(loaded, Request())
    assert network.counts == count(lower(load(str(TINY), COLOURS))) == count(lower(loaded))
    assert count(network.graph).macs == network.counts.macs
    around = [node.name for node in network.graph.nodes if node.role == "serving"]
    assert around == [name for name in (n.name for n in network.graph.nodes) if name.startswith("serve.")]
    assert len(around) == len(network.graph.nodes) - len(network.inside.nodes)


def test_metadata_say_what_is_put_around_and_which_labels_classes_have():
    labels = [f"class {number}" for number in range(7)]
    loaded = load_served("order=BGR", "outputs=[top2]", f"labels={json.dumps(labels)}")
    model = onnx.load_from_string(model_bytes(loaded, Request()))
    said = {entry.key: entry.value for entry in model.metadata_props}
    around, own = json.loads(said["resnet_gen.serve"]), json.loads(said["resnet_gen.spec"])
    assert around["outputs"][0]["names"] == ["top2_values", "top2_indices"]
    assert around["input"]["order"] == "BGR"
    assert own["serve"]["labels"] == labels
    assert own["input"]["mean"] == around["input"]["mean"] == [0.485, 0.456, 0.406]


def test_outputs_that_need_no_scores_leave_the_layer_of_scores_out():
    network = prepare(load_served("outputs=[embedding]"), Request())
    assert [value.name for value in network.graph.outputs] == ["embedding"]
    assert "fc.weight" not in network.graph.used()
    assert len(network.graph.used()) == len(network.inside.used()) - 2


@pytest.mark.parametrize("name", ["embedding", "normalized_embedding"])
def test_a_network_without_a_head_has_its_last_map_pooled(name):
    loaded = load(str(TINY), (*COLOURS, "head=none", f"serve.outputs=[features, {name}]"))
    found = run_named(model_bytes(loaded, Request()), crops())
    pooled = found["features"].mean((2, 3))
    if name != "embedding":
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    assert np.allclose(found[name], pooled, atol=1e-5)


def test_a_head_that_outputs_probabilities_has_logits_before_them():
    loaded = load_served("outputs=[logits, probabilities, top2]", more=("head.softmax=true",))
    found = run_named(model_bytes(loaded, Request()), crops())
    assert np.allclose(found["logits"], wanted()["logits"], atol=1e-5)
    assert np.allclose(found["probabilities"], softmax(found["logits"], axis=1), atol=1e-6)
    assert (found["top2_indices"][:, 0] == found["logits"].argmax(1)).all()


def refusal(loaded, **wishes):
    with pytest.raises(Refused) as refused:
        model_bytes(loaded, resolve_request(BuildWishes(**wishes)))
    return refused.value.problems[0].message


def test_what_a_runtime_cannot_do_is_refused_with_the_reason():
    jetson = load_target("jetson-nano")
    assert refusal(load_served(), device=jetson) == "serve.type: TensorRT 8.2.1 takes no bytes"
    assert refusal(load_served(), precision="fp16", typed_io=True) == "--io typed means nothing where pixels are served"
    assert model_bytes(load_served("type=float32"), resolve_request(BuildWishes(device=jetson)))


def test_tensorrt_rtx_builds_what_is_put_around(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this system", exc_type=ImportError)
    loaded = load_served("order=BGR", f"outputs={SERVED}")
    request = Request("tensorrt-rtx", "fp16", (89,), batch=BuildBatch(fixed=1))
    files = build(loaded, request, tmp_path, aside=False)
    assert [path.suffix for path in files] == [".onnx", ".engine", ".json"]


def test_a_fixed_batch_is_that_of_every_tensor():
    request = Request(batch=BuildBatch(fixed=2))
    model = onnx.load_from_string(model_bytes(load_served(f"outputs={SERVED}"), request))
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_value == 2


@pytest.mark.parametrize("serve", [True, "yes", ["top5"]])
def test_from_python_serve_is_a_mapping(serve):
    with pytest.raises(Refused, match="serve: a mapping of its keys is wanted"):
        resnet_gen.emit_onnx("resnet8-digits", serve=serve)

"""What a wish comes to: a device's choices, and what is refused before anything is begun."""

import pytest

from resnet_gen.build.request import BuildBatch
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.ops.precision import PRECISIONS, Calibration
from resnet_gen.problems import Refused
from resnet_gen.speed.targets import load_target, shipped_targets

IMAGES = Calibration("photos")


def wish(device=None, **more):
    return BuildWishes(load_target(device) if device else None, **more)


def chosen(device=None, **more):
    return resolve_request(wish(device, **more))


def refused(device=None, **more):
    with pytest.raises(Refused) as caught:
        chosen(device, **more)
    return str(caught.value)


def test_nothing_wished_is_float32_onnx():
    request = chosen()
    assert (request.target, request.precision, request.compute) == ("onnx", "fp32", "float32")
    assert request.quantizing is request.device is None
    assert request.compute_capabilities == ()


def test_what_is_said_is_kept():
    given = {"opset": 17, "batch": BuildBatch(4), "weights": None, "seed": 3, "fold": True, "typed_io": True}
    request = chosen(precision="bf16", target="tensorrt-rtx", capabilities=(89,), **given)
    assert {name: getattr(request, name) for name in given} == given
    assert request.compute_capabilities == (89,)
    assert request.compute == "bfloat16"


@pytest.mark.parametrize(
    ("device", "calibration", "target", "precision", "compute", "placement", "capabilities", "in_graph"),
    [
        ("jetson-nano", None, "bundle", "fp16", "float16", None, (), None),
        ("jetson-nano", IMAGES, "bundle", "fp16", "float16", None, (), None),
        ("xavier-nx", IMAGES, "bundle", "int8", "float32", "tensorrt", (), True),
        ("agx-orin", IMAGES, "bundle", "int8", "float16", "tensorrt", (), False),
        ("h100", IMAGES, "bundle", "int8", "float16", "tensorrt", (), False),
        ("gtx-1650", None, "tensorrt-rtx", "fp16", "float16", None, (75,), None),
        ("gtx-1650", IMAGES, "tensorrt-rtx", "int8", "float16", "tensorrt", (75,), False),
        ("a100", None, "tensorrt-rtx", "fp16", "float16", None, (80,), None),
        ("rtx-5090", IMAGES, "tensorrt-rtx", "int8", "float16", "tensorrt", (120,), False),
        ("cpu", None, "onnx", "fp32", "float32", None, (), None),
        ("cpu", IMAGES, "onnx", "int8", "float32", "cpu", (), False),
    ],
)
def test_a_device_picks_the_rest(device, calibration, target, precision, compute, placement, capabilities, in_graph):
    request = chosen(device, calibration=calibration)
    assert request.images == calibration
    assert (request.target, request.precision, request.compute) == (target, precision, compute)
    assert request.compute_capabilities == capabilities
    how = request.quantizing
    assert (how and how.placement, how and how.in_graph) == (placement, in_graph)


@pytest.mark.parametrize("device", ["cpu", "cpu-avx2", None])
def test_openvino_s_placement_is_had_by_asking_alone_and_leaves_the_rest_in_float32(device):
    asked = {"calibration": IMAGES, "precision": "int8"}
    request = chosen(device, **asked, placement="openvino")
    assert (request.target, request.compute, request.quantizing.placement) == ("onnx", "float32", "openvino")
    if device:
        assert chosen(device, **asked).quantizing.placement == "cpu"


def test_seven_bits_are_for_cpus_that_need_them_and_for_whoever_asks():
    def seven(device, **more):
        return chosen(device, calibration=IMAGES, precision="int8", **more).quantizing.reduce_range

    assert [seven("cpu"), seven("cpu-avx2"), seven("cpu", reduce_range=True), seven("t4")] == [False, True, True, False]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("device", shipped_targets())
def test_every_device_takes_what_it_can_and_refuses_the_rest_with_its_reason(device, precision):
    calibration = IMAGES if precision in ("int8", "fp8") else None
    target = load_target(device)
    if reason := target.refusal(precision):
        message = refused(device, precision=precision, calibration=calibration)
        assert message.startswith(f"error: --for {device}: not in {precision.upper()}: {reason}\nhint: it has fp32")
    else:
        assert chosen(device, precision=precision, calibration=calibration).precision == precision


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"precision": "int8"},
            "--precision int8: needs images to calibrate with\n"
            "hint: --calibration FOLDER or FILE.npz; "
            "--calibration random shows that it builds, and nothing of accuracy\n"
            "error: --precision int8: for which kind of runtime?\n"
            "hint: say --for DEVICE, --qdq cpu or --qdq tensorrt: in the wrong places Q/DQ are slower than FP32",
        ),
        (
            {"precision": "int8", "calibration": IMAGES},
            "--precision int8: for which kind of runtime?\n"
            "hint: say --for DEVICE, --qdq cpu or --qdq tensorrt: in the wrong places Q/DQ are slower than FP32",
        ),
        (
            {"precision": "fp8", "calibration": IMAGES, "placement": "cpu"},
            "--qdq cpu: --precision fp8 --target onnx wants Q/DQ placed for tensorrt\nhint: leave out --qdq",
        ),
        (
            {"device": "t4", "calibration": IMAGES, "placement": "cpu"},
            "--qdq cpu: --for t4 wants Q/DQ placed for tensorrt\nhint: leave out --qdq",
        ),
        (
            {"device": "t4", "calibration": IMAGES, "placement": "openvino"},
            "--qdq openvino: --for t4 wants Q/DQ placed for tensorrt\nhint: leave out --qdq",
        ),
        (
            {"device": "cpu", "calibration": IMAGES, "placement": "openvino", "batch": BuildBatch(8)},
            "--qdq openvino: OpenVINO adds shortcuts within convolutions where the batch is open, in float where it is "
            "fixed\nhint: leave out --batch, or use --qdq cpu",
        ),
        (
            {"device": "cpu", "calibration": IMAGES, "placement": "openvino", "target": "triton"},
            "--qdq openvino: Triton's file is read by ONNX Runtime\nhint: use --qdq cpu",
        ),
        (
            {"device": "cpu", "target": "tensorrt-rtx"},
            "--for cpu: tensorrt-rtx builds no engines for it\nhint: use --target onnx",
        ),
        (
            {"device": "h100", "target": "tensorrt-rtx"},
            "--for h100: tensorrt-rtx builds no engines for it\nhint: use --target bundle",
        ),
        (
            {"device": "t4", "capabilities": (86,)},
            "--for t4: says the compute capability already\nhint: leave out --sm",
        ),
        (
            {"device": "jetson-nano", "opset": 17},
            "--for jetson-nano: TensorRT 8.2.1 reads ONNX opsets up to 13\nhint: leave out --opset",
        ),
        (
            {"precision": "bf16", "target": "tensorrt-rtx", "capabilities": (75, 86)},
            "--precision bf16: not for SM 75: bf16 came with compute capability 8.0, and this is 7.5\n"
            "hint: leave it out of --sm",
        ),
        (
            {"precision": "fp8", "target": "tensorrt-rtx", "capabilities": (86,), "calibration": IMAGES},
            "--precision fp8: not for SM 86: fp8 came with compute capability 8.9, and this is 8.6\n"
            "hint: leave it out of --sm",
        ),
        (
            {"calibration": IMAGES},
            "--calibration means nothing for --precision fp32\nhint: give --fold-bn, or another precision",
        ),
        (
            {"precision": "fp16", "placement": "cpu"},
            "--qdq means nothing for --precision fp16\nhint: it is for int8 and fp8",
        ),
        ({"rest": "fp16"}, "--rest means nothing for --precision fp32\nhint: it is for int8 and fp8"),
        ({"reduce_range": True}, "--reduce-range means nothing for --precision fp32\nhint: it is for int8 and fp8"),
    ],
)
def test_what_does_not_go_together_is_refused(more, message):
    assert refused(**more) == f"error: {message}"


def test_without_sm_an_engine_is_for_those_that_have_the_precision():
    def capabilities(precision, **more):
        return chosen(precision=precision, target="tensorrt-rtx", **more).compute_capabilities

    assert capabilities("fp16") == (86, 89, 120)
    assert capabilities("fp8", calibration=IMAGES) == (89, 120)


@pytest.mark.parametrize(
    ("rest", "compute"), [(None, "float32"), ("fp32", "float32"), ("fp16", "float16"), ("bf16", "bfloat16")]
)
def test_the_type_of_the_rest_can_be_chosen(rest, compute):
    request = chosen(precision="int8", placement="tensorrt", calibration=IMAGES, rest=rest)
    assert request.quantizing.compute == compute

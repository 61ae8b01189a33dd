"""Converted weights in torchvision's and timm's own networks: loaded strictly, with the same outputs."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import make_counters

torch = pytest.importorskip("torch", reason="torch, whose checkpoints are converted, is not installed")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

PAIRS = {
    "resnet50": ("resnet50", "resnet50", (3, 97, 97)),
    "regnet_y_400mf": ("regnet_y_400mf", "regnety_004", (3, 97, 97)),
    "regnet_y_800mf": ("regnet_y_800mf", "regnety_008_tv", (3, 97, 97)),
    "regnet_x_400mf": ("regnet_x_400mf", "regnetx_004_tv", (3, 97, 97)),
    "vgg16": ("vgg16", "vgg16", (3, 224, 224)),
    "vgg16_bn": ("vgg16_bn", "vgg16_bn", (3, 224, 224)),
}
"""A spec; the names of its network in torchvision and in timm; an image for both."""


@pytest.fixture(scope="module")
def libraries():
    make_counters.prepared()  # before torchvision is imported
    reason = "torchvision and timm, whose networks take the weights, are not installed"
    timm = pytest.importorskip("timm", reason=reason, exc_type=ImportError)
    torchvision = pytest.importorskip("torchvision", reason=reason, exc_type=ImportError)
    return {"torchvision": torchvision.models.get_model, "timm": timm.create_model}


def randomized(model):
    """The model with weights and statistics of its norms that are all different."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(17)
        elif tensor.ndim > 1:
            fan = tensor[0].numel()
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * (2 / fan) ** 0.5)
        else:
            low, high = (-0.1, 0.1) if name.endswith(("bias", "running_mean")) else (0.6, 1.4)
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
    return model.eval()


def output(model, image):
    with torch.inference_mode():
        return model(image)


def convert(*arguments):
    from resnet_gen.cli import cli

    assert not cli.main(["weights", "convert", *map(str, arguments)], standalone_mode=False)


def loaded(path):
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(("spec", "theirs"), PAIRS.items(), ids=PAIRS)
def test_a_model_of_torchvision_is_timm_s_after_conversion_and_back(spec, theirs, libraries, tmp_path):
    name, timm_name, shape = theirs
    suffix = ".safetensors" if spec.startswith("vgg16_") else ".pth"
    first = randomized(libraries["torchvision"](name))
    torch.save(first.state_dict(), tmp_path / "torchvision.pth")
    there, back = tmp_path / f"timm{suffix}", tmp_path / f"back{suffix}"
    convert(spec, tmp_path / "torchvision.pth", "--to", "timm", "-o", there)
    second = libraries["timm"](timm_name)
    second.load_state_dict(loaded(there), strict=True)
    image = torch.rand((2, *shape), generator=torch.Generator().manual_seed(2)) * 2 - 1
    wanted, found = output(first, image), output(second.eval(), image)
    assert (wanted - found).abs().max() <= 1e-5 * wanted.abs().max()
    convert(spec, there, "--to", "torchvision", "-o", back)
    state = loaded(back)
    assert state.keys() == first.state_dict().keys()
    for key, tensor in first.state_dict().items():
        assert torch.equal(state[key], tensor), key
        assert state[key].dtype == tensor.dtype
    libraries["torchvision"](name).load_state_dict(state, strict=True)


def test_weights_without_counters_load_strictly(libraries, tmp_path):
    """As an .npz of the tool's own has them."""
    model = randomized(libraries["torchvision"]("resnet18"))
    state = {n: t.numpy() for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked")}
    np.savez(tmp_path / "own.npz", **state)
    convert("resnet18", tmp_path / "own.npz", "-o", tmp_path / "torch.pth")
    libraries["torchvision"]("resnet18").load_state_dict(loaded(tmp_path / "torch.pth"), strict=True)
    assert loaded(tmp_path / "torch.pth")["bn1.num_batches_tracked"] == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_element_types_are_kept(dtype, suffix, tmp_path, libraries):
    model = randomized(libraries["torchvision"]("resnet18")).to(getattr(torch, dtype))
    torch.save(model.state_dict(), tmp_path / "given.pth")
    convert("resnet18", tmp_path / "given.pth", "-o", tmp_path / f"made{suffix}")
    state = loaded(tmp_path / f"made{suffix}")
    for key, tensor in model.state_dict().items():
        assert state[key].dtype == tensor.dtype
        assert torch.equal(state[key], tensor), key


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 9])
def test_other_input_channels_are_made_as_timm_makes_them(channels, libraries, tmp_path):
    from timm.models import adapt_input_conv

    model = randomized(libraries["timm"]("resnet18"))
    torch.save(model.state_dict(), tmp_path / "three.pth")
    convert("timm-resnet18", tmp_path / "three.pth", "--in-channels", channels, "-o", tmp_path / "other.pth")
    state = loaded(tmp_path / "other.pth")
    wanted = adapt_input_conv(channels, model.state_dict()["conv1.weight"])
    torch.testing.assert_close(state["conv1.weight"], wanted, rtol=1e-6, atol=1e-8)
    libraries["timm"]("resnet18", in_chans=channels).load_state_dict(state, strict=True)


@pytest.mark.parametrize("channels", [1, 6])
def test_on_a_gray_image_other_channels_change_nothing_but_rounding(channels, libraries, tmp_path):
    model = randomized(libraries["torchvision"]("resnet18"))
    torch.save(model.state_dict(), tmp_path / "three.pth")
    convert("resnet18", tmp_path / "three.pth", "--in-channels", channels, "--to", "timm", "-o", tmp_path / "other.pth")
    other = libraries["timm"]("resnet18", in_chans=channels)
    other.load_state_dict(loaded(tmp_path / "other.pth"), strict=True)
    gray = torch.rand((2, 1, 96, 96), generator=torch.Generator().manual_seed(3))
    wanted = output(model, gray.expand(-1, 3, -1, -1))
    found = output(other.eval(), gray.expand(-1, channels, -1, -1))
    assert (wanted - found).abs().max() <= 1e-5 * wanted.abs().max()


def test_a_new_head_loads_into_a_network_for_as_many_classes(libraries, tmp_path):
    model = randomized(libraries["torchvision"]("resnet18"))
    torch.save(model.state_dict(), tmp_path / "thousand.pth")
    convert("resnet18", tmp_path / "thousand.pth", "--classes", 10, "--head", "init", "-o", tmp_path / "ten.pth")
    libraries["torchvision"]("resnet18", num_classes=10).load_state_dict(loaded(tmp_path / "ten.pth"), strict=True)
    convert("resnet18", tmp_path / "thousand.pth", "--classes", 10, "--head", "drop", "-o", tmp_path / "none.pth")
    lacking = libraries["timm"]("resnet18", num_classes=0)
    lacking.load_state_dict(loaded(tmp_path / "none.pth"), strict=True)

"""What parts are built with: `Using.conv`, whose windows keep a map's size unless the padding is said."""

import pytest

from resnet_gen import load_spec
from resnet_gen.graph import Net, Value
from resnet_gen.parts.base import Using
from resnet_gen.problems import Refused

KERNELS = range(1, 32)


@pytest.fixture
def using():
    spec = load_spec("resnet18").spec
    return Using(spec.norm, spec.activation, spec.stages.shortcut, spec.stages.attention, spec.antialias)


@pytest.fixture
def net():
    return Net(Value("input", (3, 65, 70)))


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_window_keeps_the_size_of_a_map_or_says_its_padding(kernel, using, net):
    for dilation in (1, 2):
        if kernel % 2:
            made = using.conv(net, f"c{dilation}", net.input, 4, kernel=kernel, dilation=dilation)
            assert made.shape == (4, 65, 70)
        else:
            with pytest.raises(Refused, match=f"an even window of {kernel} keeps no map's size"):
                using.conv(net, f"c{dilation}", net.input, 4, kernel=kernel, dilation=dilation)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("add", ["conv", "conv_norm", "conv_norm_act"])
def test_a_padding_that_is_said_is_taken(add, kernel, using, net):
    for stride, padding in ((1, 0), (kernel, 0), (2, kernel // 2), (1, 3)):
        made = getattr(using, add)(
            net, f"{stride}{padding}", net.input, 4, kernel=kernel, stride=stride, padding=padding
        )
        sides = [(side + 2 * padding - kernel) // stride + 1 for side in (65, 70)]
        assert made.shape == (4, *sides)

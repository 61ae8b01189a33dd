"""What PyTorch calls each operation, and the arguments that it takes, in the words of `PythonSyntax`."""

from __future__ import annotations

from resnet_gen import ops
from resnet_gen.generate.modules.training import DropBranch, DropValues
from resnet_gen.generate.modules.tree import ChannelChunks

FUNCTIONS: dict[ops.Function, tuple[str, str, bool]] = {
    "relu": ("ReLU", "F.relu", True),
    "leaky_relu": ("LeakyReLU", "F.leaky_relu", True),
    "elu": ("ELU", "F.elu", True),
    "silu": ("SiLU", "F.silu", True),
    "gelu": ("GELU", "F.gelu", False),
    "mish": ("Mish", "F.mish", True),
    "hard_swish": ("Hardswish", "F.hardswish", True),
    "sigmoid": ("Sigmoid", "torch.sigmoid", False),
    "hard_sigmoid": ("Hardsigmoid", "F.hardsigmoid", False),
    "tanh": ("Tanh", "torch.tanh", False),
}
"""The module and the function of each activation, and whether it can overwrite what it takes."""

MODULES: dict[type[ops.Op], tuple[str, ...]] = {
    ops.Conv: (
        "nn.Conv2d", "{in_channels}", "{out_channels}", "{kernel_size}", "stride={stride}|1", "padding={padding}|0",
        "dilation={dilation}|1", "groups={groups}|1", "bias={bias}|True", "eps={added}|1e-06",
    ),
    ops.ChannelConv: ("ChannelConv", "{kernel_size}"),
    ops.Linear: ("nn.Linear", "{in_features}", "{out_features}", "bias={bias}|True"),
    ops.BatchNorm: ("nn.BatchNorm2d", "{channels}", "eps={eps}|1e-05"),
    ops.GroupNorm: ("nn.GroupNorm", "{groups}", "{channels}", "eps={eps}|1e-05"),
    ops.MaxPool: (
        "nn.MaxPool2d", "{kernel_size}", "stride={stride}|{kernel_size}", "padding={padding}|0",
        "ceil_mode={ceil}|False",
    ),
    ops.AvgPool: (
        "nn.AvgPool2d", "{kernel_size}", "stride={stride}|{kernel_size}", "padding={padding}|0",
        "ceil_mode={ceil}|False",
    ),
    ops.BlurPool: ("BlurPool2d", "{channels}", "stride={stride}"),
    DropValues: ("nn.Dropout", "{rate}"),
    DropBranch: ("StochasticDepth", "p={rate}|0.0", 'mode="{mode}"|"row"'),
}  # fmt: skip
"""Operations that are attributes."""

IN_CHAINS: dict[type[ops.Op], tuple[str, ...]] = {
    ops.Flatten: ("nn.Flatten",),
    ops.GlobalAvgPool: ("nn.AdaptiveAvgPool2d", "1"),
    ops.GlobalMaxPool: ("nn.AdaptiveMaxPool2d", "1"),
    ops.Subsample: ("nn.MaxPool2d", "1", "{stride}"),
    ops.PadMap: ("nn.ZeroPad2d", "({before}, {after}, {before}, {after})"),
    ops.PadChannels: ("PadChannels", "{more}"),
}
"""The same of what is a function elsewhere."""

OPERATIONS: dict[type[ops.Op], str] = {
    ops.Add: "{0} + {1}",
    ops.Mul: "{0} * {1}",
    ops.OneMinus: "1 - {0}",
    ops.Softmax: "F.softmax({0}, dim=1)",
    ops.SplitSoftmax: "split_softmax({0}, {splits}, {groups})",
    ops.Flatten: "torch.flatten({0}, 1)",
    ops.AsMap: "{0}[:, :, None, None]",
    ops.Concat: "torch.cat([{all}], dim={first})",
    ops.TakeChannels: "{0}[:, {section}]",
    ChannelChunks: "{0}.chunk({parts}, dim=1)",
    ops.GlobalAvgPool: "F.adaptive_avg_pool2d({0}, 1)",
    ops.GlobalMaxPool: "{0}.amax((2, 3), keepdim=True)",
    ops.SumPositions: "{0}.sum((2, 3), keepdim=True)",
    ops.ChannelMean: "{0}.mean(1, keepdim=True)",
    ops.ChannelMax: "{0}.amax(1, keepdim=True)",
    ops.PadMap: "F.pad({0}, ({before}, {after}, {before}, {after}))",
    ops.PadChannels: "F.pad({0}, (0, 0, 0, 0, 0, {more}))",
    ops.Subsample: "{0}[:, :, {step}, {step}]",
}
"""Operations that are expressions of what they take."""

HELPERS: dict[type[ops.Op], str] = {
    ops.ChannelConv: "ChannelConv",
    ops.BlurPool: "BlurPool2d",
    ops.SplitSoftmax: "split_softmax",
    ops.PadChannels: "PadChannels",
    DropBranch: "StochasticDepth",
}
"""What torch has no class or function for: written into the module."""

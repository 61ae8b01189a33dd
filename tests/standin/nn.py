"""`torch.nn`: modules that register their members as PyTorch's do, and record what they compute."""

from collections import OrderedDict
from types import SimpleNamespace

from resnet_gen import ops
from tests.standin import functional as F  # noqa: N812
from tests.standin.tensor import Constant, Parameter, Tensor, made

UNKNOWN = """
T_destination add_module apply bfloat16 buffers call_super_init compile cpu cuda double dump_patches eval
extra_repr float get_buffer get_extra_state get_submodule half ipu load_state_dict mtia named_buffers named_children
named_parameters register_backward_hook register_forward_hook register_forward_pre_hook register_full_backward_hook
register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state
set_submodule share_memory state_dict to to_empty train type xpu zero_grad _version _apply _get_name
_save_to_state_dict _call_impl _slow_forward _named_members _backward_hooks _forward_hooks _state_dict_hooks
_is_full_backward_hook
"""
"""What `nn.Module` of torch 2.13 has and generated modules do not use: no layer can have the name."""


class Module:
    """Base class: what is assigned to it is registered by what it is."""

    training = True

    def __init__(self):
        self.__dict__.update(_modules={}, _parameters={}, _buffers={}, _non_persistent_buffers_set=set())

    def __setattr__(self, name, value):
        kinds = {Module: "_modules", Parameter: "_parameters"}
        place = next((place for kind, place in kinds.items() if isinstance(value, kind)), None)
        if place is None:
            if name in self.__dict__.get("_modules", ()):
                raise TypeError(f"cannot assign '{type(value).__name__}' as child module '{name}'")
            object.__setattr__(self, name, value)
            return
        if "_modules" not in self.__dict__:
            raise AttributeError("cannot assign module before Module.__init__() call")
        self.__dict__.pop(name, None)
        self.__dict__[place][name] = value

    def __getattr__(self, name):
        for place in ("_modules", "_parameters", "_buffers"):
            if name in self.__dict__.get(place, ()):
                return self.__dict__[place][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __call__(self, *inputs):
        return self.forward(*inputs)

    def forward(self, *inputs):
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def add_module(self, name, module):
        if hasattr(self, name) and name not in self._modules:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name or not name:
            raise KeyError(f"a module cannot be called '{name}'")
        assert isinstance(module, Module)
        self._modules[name] = module

    def children(self):
        return iter(self._modules.values())

    def register_buffer(self, name, tensor, persistent=True):
        if hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        assert isinstance(tensor, Constant)
        self._buffers[name] = tensor
        if not persistent:
            self._non_persistent_buffers_set.add(name)

    def named_modules(self, memo=None, prefix=""):
        memo = set() if memo is None else memo
        if self in memo:
            return
        memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name)

    def modules(self):
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        assert (prefix, recurse, remove_duplicate) == ("", True, True)
        for path, module in self.named_modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    yield (f"{path}.{name}" if path else name), parameter

    def get_submodule(self, target):
        found = self
        for name in target.split(".") if target else ():
            found = getattr(found, name)
            assert isinstance(found, Module), f"'{name}' is not a module"
        return found

    def get_parameter(self, target):
        path, _, name = target.rpartition(".")
        found = getattr(self.get_submodule(path), name)
        assert isinstance(found, Parameter), f"'{target}' is not a parameter"
        return found


def _unknown(name):
    def unknown(self, *given, **named):
        raise NotImplementedError(f"the stand-in has no '{name}'")

    return unknown


for _name in UNKNOWN.split():
    if _name not in vars(Module):
        setattr(Module, _name, _unknown(_name))


class Sequential(Module):
    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
            return
        for number, module in enumerate(args):
            self.add_module(str(number), module)

    def __iter__(self):
        return iter(self._modules.values())

    def __len__(self):
        return len(self._modules)

    def __getitem__(self, index):
        return list(self)[index]

    def append(self, module):
        raise NotImplementedError

    extend = insert = pop = append

    def forward(self, input):
        found = input
        for module in self:
            found = module(found)
        return found


class ModuleList(Module):
    def __init__(self, modules=None):
        super().__init__()
        for number, module in enumerate(modules or ()):
            self.add_module(str(number), module)

    __iter__, __len__, __getitem__ = Sequential.__iter__, Sequential.__len__, Sequential.__getitem__
    append = extend = insert = pop = Sequential.append


class ModuleDict(Module):
    def __init__(self, modules=None):
        super().__init__()
        for name, module in (modules or {}).items():
            self.add_module(name, module)

    def __getitem__(self, key):
        return self._modules[key]

    def __len__(self):
        return len(self._modules)

    clear = pop = items = keys = values = update = Sequential.append


class Identity(Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        return input


class Dropout(Module):
    """Outside training."""

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        assert 0 <= p <= 1
        assert not inplace
        self.p = p

    def forward(self, input):
        return input


class Conv2d(Module):
    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        assert (padding_mode, device, dtype) == ("zeros", None, None)
        assert in_channels % groups == 0, "in_channels must be divisible by groups"
        assert out_channels % groups == 0, "out_channels must be divisible by groups"
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.weight = Parameter(out_channels, in_channels // groups, kernel_size, kernel_size)
        self.bias = Parameter(out_channels, fill="drawn") if bias else None

    def forward(self, input):
        return self.recorded(input)

    def recorded(self, input, standardize=None):
        assert input._shape[0] == self.in_channels, f"{self._path}: {input._shape[0]} channels, not {self.in_channels}"
        op = ops.Conv(
            self.out_channels, self.kernel_size, self.stride, self.padding, self.groups, self.bias is not None,
            self.bias.fill if self.bias else 0.0, self.dilation, standardize,
        )  # fmt: skip
        return made(op, input, name=self._path, needs=[input])


class Conv1d(Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__()
        self.made_with = (in_channels, out_channels, stride, padding, dilation, groups, bias)
        self.kernel_size = kernel_size
        self.weight = Parameter(out_channels, in_channels // groups, kernel_size)


class Linear(Module):
    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(out_features, in_features)
        self.bias = Parameter(out_features, fill="drawn") if bias else None

    def forward(self, input):
        assert input._shape == (self.in_features,), f"{self._path}: {input._shape}, not {self.in_features}"
        return made(ops.Linear(self.out_features, self.bias is not None), input, name=self._path, needs=[input])


class BatchNorm2d(Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        assert (momentum, affine, track_running_stats) == (0.1, True, True)
        self.num_features, self.eps = num_features, eps
        self.weight, self.bias = Parameter(num_features, fill=1.0), Parameter(num_features, fill=0.0)
        self.register_buffer("running_mean", Constant([0.0] * num_features))
        self.register_buffer("running_var", Constant([1.0] * num_features))

    def forward(self, input):
        assert len(input._shape) == 3
        assert input._shape[0] == self.num_features, f"{self._path}: {input._shape[0]} channels"
        return made(ops.BatchNorm(self.eps), input, name=self._path, needs=[input])


class GroupNorm(Module):
    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None):
        super().__init__()
        assert affine
        assert num_channels % num_groups == 0, "num_channels must be divisible by num_groups"
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight, self.bias = Parameter(num_channels, fill=1.0), Parameter(num_channels, fill=0.0)

    def forward(self, input):
        assert input._shape[0] == self.num_channels, f"{self._path}: {input._shape[0]} channels"
        return made(ops.GroupNorm(self.num_groups, self.eps), input, name=self._path, needs=[input])


class MaxPool2d(Module):
    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        super().__init__()
        assert (dilation, return_indices) == (1, False)
        self.kernel_size, self.stride = kernel_size, stride if stride is not None else kernel_size
        self.padding, self.ceil_mode = padding, ceil_mode

    def forward(self, input):
        return F.max_pool2d(input, self.kernel_size, self.stride, self.padding, ceil_mode=self.ceil_mode)


class AvgPool2d(Module):
    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        super().__init__()
        self.given = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    def forward(self, input):
        return F.avg_pool2d(input, *self.given)


class AdaptiveAvgPool2d(Module):
    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def forward(self, input):
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveMaxPool2d(Module):
    def __init__(self, output_size, return_indices=False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input):
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class Flatten(Module):
    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input):
        return F.flatten(input, self.start_dim, self.end_dim)


class ZeroPad2d(Module):
    def __init__(self, padding):
        super().__init__()
        self.padding = (padding,) * 4 if isinstance(padding, int) else padding

    def forward(self, input):
        return F.pad(input, self.padding)


class _Inplace(Module):
    """An activation that can overwrite what it takes."""

    function = None

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        return type(self).function(input, inplace=self.inplace)


class ReLU(_Inplace):
    function = F.relu


class SiLU(_Inplace):
    function = F.silu


class Mish(_Inplace):
    function = F.mish


class Hardswish(_Inplace):
    function = F.hardswish


class Hardsigmoid(_Inplace):
    function = F.hardsigmoid


class LeakyReLU(Module):
    def __init__(self, negative_slope=0.01, inplace=False):
        super().__init__()
        self.given = (negative_slope, inplace)

    def forward(self, input):
        return F.leaky_relu(input, *self.given)


class ELU(Module):
    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.given = (alpha, inplace)

    def forward(self, input):
        return F.elu(input, *self.given)


class GELU(Module):
    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        return F.gelu(input, self.approximate)


class Sigmoid(Module):
    def forward(self, input):
        return F.sigmoid(input)


class Tanh(Module):
    def forward(self, input):
        return F.tanh(input)


def _fill(value):
    def fill(tensor):
        assert isinstance(tensor, Parameter)
        tensor.fill = value
        return tensor

    return fill


def _kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    assert (a, mode, nonlinearity) == (0, "fan_out", "leaky_relu")
    return _fill(None)(tensor)


def _constant_(tensor, val):
    return _fill(val)(tensor)


init = SimpleNamespace(kaiming_normal_=_kaiming_normal_, constant_=_constant_, zeros_=_fill(0.0), ones_=_fill(1.0))
__all__ = ["Tensor", "init"]

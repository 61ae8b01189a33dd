"""What other tools and papers call what is called otherwise here: for hints, where words that look alike mislead."""

from __future__ import annotations

WORDS: dict[str, str | None] = {
    # keys
    "act": "activation", "act-layer": "activation", "nonlinearity": "activation",
    "attn": "attention", "attn-layer": "attention",
    "aa-layer": "antialias", "blurpool": "antialias",
    "norm-layer": "norm", "normalization": "norm",
    "dilation": "output_stride", "dilations": "output_stride", "replace-stride-with-dilation": "output_stride",
    "blocks": "depths", "num-blocks": "depths",
    "cardinality": "groups", "width-per-group": "base_width", "num-groups": "groups",
    "channels-per-group": "group_size", "in-chans": "channels", "in-channels": "channels",
    "num-classes": "classes", "img-size": "size", "image-size": "size", "resolution": "size", "epsilon": "eps",
    "negative-slope": "slope", "reduction-ratio": "rd_ratio",
    # kinds
    "swish": "silu", "lrelu": "leaky_relu", "relu6": None, "prelu": None, "identity-activation": None,
    "bn": "batch", "batchnorm": "batch", "batch-norm": "batch", "batchnorm2d": "batch",
    "gn": "group", "groupnorm": "group", "ln": "layer", "layernorm": "layer",
    "instance": None, "instancenorm": None, "frozen": None,
    "squeeze-excite": "se", "squeeze-excitation": "se", "squeeze-and-excitation": "se", "squeezeexcite": "se",
    "fc": "linear", "dense": "linear", "classifier": "linear",
    "option-a": "zero_pad", "option-b": "projection", "option-c": "projection_all",
    "avg-down": "avg_projection", "conv1x1": "projection",
    "split-attention": "resnest", "selective-kernel": "selective_bottleneck", "basicblock": "basic",
    # options
    "checkpoint": "weights", "ckpt": "weights", "pretrained": "weights", "resume": "weights", "state-dict": "weights",
    "device": "for", "gpu": "for", "dtype": "precision", "quantize": "precision", "calib": "calibration",
    "batch-size": "batch", "out": "output", "output-dir": "output", "outdir": "output",
    "fp16": "precision", "half": "precision", "bf16": "precision", "int8": "precision", "fp8": "precision",
    # commands
    "export": "build", "compile": "build", "convert": "weights", "codegen": "generate",
    "validate": "verify", "lint": "verify", "compare": "diff", "explain": "rule", "new": "init", "create": "init",
    "benchmark": "bench", "profile": "bench", "infer": "run", "inference": "run", "devices": "targets",
    "summary": "show", "info": "show", "inspect": "show", "describe": "show",
    "flops": "count", "macs": "count", "params": "count",
}  # fmt: skip
"""By how they are written without capitals and underscores; None is of what there is nothing like here."""

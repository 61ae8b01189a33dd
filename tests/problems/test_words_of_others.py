"""Hints for the words of other tools: what they call what is called otherwise here, and nothing that misleads."""

import pytest

from resnet_gen.cli import COMMANDS, cli
from resnet_gen.language.faults import homes_of_keys
from resnet_gen.language.spec import Spec, know_every_part
from resnet_gen.parts import base, registry
from resnet_gen.problems import WORDS
from tests.helpers.onnx_runs import TINY


def known():
    know_every_part()
    yield from Spec.model_fields
    yield from (home.key for home in homes_of_keys(Spec))
    yield from (part.kind_name() for family in base.FAMILIES for part in registry.members(family))
    for name in COMMANDS:
        yield name
        yield from (text.lstrip("-") for param in cli.get_command(None, name).params for text in param.opts)


def test_every_word_means_one_that_there_is():
    there = set(known())
    assert {word for word in WORDS.values() if word} <= there


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("activation=swish", "did you mean 'silu'?"),
        ("activation=Swish", "did you mean 'silu'?"),
        ("norm=bn", "did you mean 'batch'?"),
        ("norm=GroupNorm", "did you mean 'group'?"),
        ("stages.attention=squeeze_excite", "did you mean 'se'?"),
        ("stages.attention=Squeeze-and-Excitation", "did you mean 'se'?"),
        ("stages.shortcut=option_a", "did you mean 'zero_pad'?"),
        ("head=fc", "did you mean 'linear'?"),
        ("act=silu", "did you mean 'activation'?"),
        ("dilation=2", "did you mean 'stages.output_stride'?"),
        ("stages.dilations=[1, 1, 2, 4]", "did you mean 'output_stride'?"),
        ("num_classes=10", "did you mean 'head.classes'?"),
        ("drop_path_rate=0.1", "did you mean 'training.stochastic_depth'?"),
        ("training.zero_init_residual=true", "did you mean 'zero_init_last_norm'?"),
        ("activation=relu6", "known: "),
        ("norm=instance", "known: "),
    ],
)
def test_specs(cli, setting, hint):
    code, _, err = cli("show", "resnet18", "--set", setting)
    assert code == 2
    assert err.rstrip().rsplit("hint: ", 1)[1].startswith(hint)


@pytest.mark.parametrize(
    ("command", "option", "near"),
    [
        ("build", "--checkpoint", "--weights"),
        ("build", "--ckpt", "--weights"),
        ("build", "--int8", "--precision int8"),
        ("build", "--fp16", "--precision fp16"),
        ("build", "--half", "--precision"),
        ("build", "--batch-size", "--batch"),
        ("build", "--device", "--for"),
        ("predict", "--device", "--for"),
        ("import", "--quantize", None),
    ],
)
def test_options(cli, command, option, near):
    code, _, err = cli(command, TINY, option, "x")
    assert code == 2
    assert err.rstrip().endswith(f"Did you mean '{near}'?" if near else f"No such option '{option}'.")

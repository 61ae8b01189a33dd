"""Naming schemes: what they call each layer of a small network, and in which order their libraries register weights."""

import pytest

from resnet_gen.language.load import load
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import network

TINY = ("input.size=64", "head.classes=3")
RESNET = (*TINY, "stages.depths=[1, 1]", "stages.widths={kind: double, first: 8}", "stem.width=8")


DEEP = "stem={kind: deep, widths: [4, 4, 8], pool: conv}"
ONE = (*TINY, "stages.widths={kind: list, values: [16]}", "stages.depths=[1]", "stages.strides=[2]")


def registered(name, *settings):
    """The layers that have weights, in the order of the library's state dict, each once."""
    graph = network(name, *settings)
    weights = load(name, settings).spec.naming.registered(list(graph.state()))
    return list(dict.fromkeys(weight.rpartition(".")[0] for weight in weights))


NAMES = {
    "torchvision": (
        ("resnet18", *RESNET),
        "conv1 bn1 layer1.0.conv1 layer1.0.bn1 layer1.0.conv2 layer1.0.bn2 layer2.0.conv1 layer2.0.bn1 layer2.0.conv2 "
        "layer2.0.bn2 layer2.0.downsample.0 layer2.0.downsample.1 fc",
    ),
    "timm_resnet, deep stem, average pooling": (
        ("seresnet18", *RESNET[:-1], DEEP, "stages.shortcut=avg_projection"),
        "conv1.0 conv1.1 conv1.3 conv1.4 conv1.6 bn1 maxpool.0 maxpool.1 layer1.0.conv1 layer1.0.bn1 layer1.0.conv2 "
        "layer1.0.bn2 layer1.0.se.fc1 layer1.0.se.fc2 layer2.0.conv1 layer2.0.bn1 layer2.0.conv2 layer2.0.bn2 "
        "layer2.0.se.fc1 layer2.0.se.fc2 layer2.0.downsample.1 layer2.0.downsample.2 fc",
    ),
    "timm_resnet, Res2Net": (
        ("res2net50_26w_4s", *TINY, "stages.depths=[1]", "stages.widths=[64]", "stages.block.scales=3"),
        "conv1 bn1 layer1.0.conv1 layer1.0.bn1 layer1.0.convs.0 layer1.0.convs.1 layer1.0.bns.0 layer1.0.bns.1 "
        "layer1.0.conv3 layer1.0.bn3 layer1.0.downsample.0 layer1.0.downsample.1 fc",
    ),
    "timm_resnet, ResNeSt": (
        ("resnest14d", *TINY, "stages.depths=[1]", "stages.widths=[64]", "stem.widths=[8, 8, 256]"),
        "conv1.0 conv1.1 conv1.3 conv1.4 conv1.6 bn1 layer1.0.conv1 layer1.0.bn1 layer1.0.conv2.conv "
        "layer1.0.conv2.bn0 layer1.0.conv2.fc1 layer1.0.conv2.bn1 layer1.0.conv2.fc2 layer1.0.conv3 layer1.0.bn3 fc",
    ),
    "timm_sknet": (
        ("skresnet18", *RESNET[:2], "stages.depths=[1]", "stages.widths=[64]"),
        "conv1 bn1 layer1.0.conv1.paths.0.conv layer1.0.conv1.paths.0.bn layer1.0.conv1.paths.1.conv "
        "layer1.0.conv1.paths.1.bn layer1.0.conv1.attn.fc_reduce layer1.0.conv1.attn.bn layer1.0.conv1.attn.fc_select "
        "layer1.0.conv2.conv layer1.0.conv2.bn fc",
    ),
    "timm_resnetv2": (
        ("resnetv2_50", *TINY, "stages.depths=[2]", "stages.widths=[64]"),
        "stem.conv stages.0.blocks.0.downsample.conv stages.0.blocks.0.norm1 stages.0.blocks.0.conv1 "
        "stages.0.blocks.0.norm2 stages.0.blocks.0.conv2 stages.0.blocks.0.norm3 stages.0.blocks.0.conv3 "
        "stages.0.blocks.1.norm1 stages.0.blocks.1.conv1 stages.0.blocks.1.norm2 stages.0.blocks.1.conv2 "
        "stages.0.blocks.1.norm3 stages.0.blocks.1.conv3 norm head.fc",
    ),
    "timm_regnet": (
        ("regnety_002", *ONE),
        "stem.conv stem.bn s1.b1.conv1.conv s1.b1.conv1.bn s1.b1.conv2.conv s1.b1.conv2.bn s1.b1.se.fc1 s1.b1.se.fc2 "
        "s1.b1.conv3.conv s1.b1.conv3.bn s1.b1.downsample.conv s1.b1.downsample.bn head.fc",
    ),
    "timm_regnetv": (
        ("regnetv_040", *TINY, "stages.widths={kind: list, values: [64]}", "stages.depths=[1]", "stages.strides=[2]"),
        "stem s1.b1.norm1 s1.b1.conv1 s1.b1.norm2 s1.b1.conv2 s1.b1.se.fc1 s1.b1.se.fc2 s1.b1.norm3 s1.b1.conv3 "
        "s1.b1.downsample head.fc",
    ),
    "torchvision_regnet": (
        ("regnet_y_400mf", *ONE),
        "stem.0 stem.1 trunk_output.block1.block1-0.proj.0 trunk_output.block1.block1-0.proj.1 "
        "trunk_output.block1.block1-0.f.a.0 trunk_output.block1.block1-0.f.a.1 trunk_output.block1.block1-0.f.b.0 "
        "trunk_output.block1.block1-0.f.b.1 trunk_output.block1.block1-0.f.se.fc1 "
        "trunk_output.block1.block1-0.f.se.fc2 trunk_output.block1.block1-0.f.c.0 "
        "trunk_output.block1.block1-0.f.c.1 fc",
    ),
    "timm_senet": (
        ("legacy_seresnet18", *RESNET[:2], "stages.depths=[1]", "stages.widths=[64]"),
        "layer0.conv1 layer0.bn1 layer1.0.conv1 layer1.0.bn1 layer1.0.conv2 layer1.0.bn2 layer1.0.se_module.fc1 "
        "layer1.0.se_module.fc2 last_linear",
    ),
    "timm_vgg": (
        ("timm-vgg11_bn", "input.size=32", "stages.depths=[1, 1]", "stages.widths=[4, 8]", "head.pool=8"),
        "features.0 features.1 features.4 features.5 pre_logits.fc1 pre_logits.fc2 head.fc",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "names"), NAMES.values(), ids=NAMES)
def test_layers_are_called_and_registered_as_the_library_does(settings, names):
    assert registered(*settings, "reference=null") == names.split()


@pytest.mark.parametrize("name", ["resnet50d", "regnety_002", "resnetv2_18", "skresnet18", "legacy_seresnet18"])
@pytest.mark.parametrize("scheme", ["torchvision", "timm_resnet", "timm_senet", "timm_resnetv2", "paths"])
def test_a_scheme_for_other_networks_gives_every_layer_a_name_or_is_refused(name, scheme):
    try:
        names = [node.name for node in network(name, f"naming={scheme}").nodes]
    except Refused as refused:
        assert [problem.message.split(":")[0] for problem in refused.problems] == ["naming"]  # noqa: PT017
    else:
        assert len(set(names)) == len(names)


def test_two_layers_of_one_name_are_refused_at_the_scheme():
    with pytest.raises(Refused) as caught:
        network("regnetv_040", "naming=timm_regnet", "head.activation=true")
    (problem,) = caught.value.problems
    assert problem.message == "naming: two layers would both be called 'final_conv'"
    assert (str(problem.where), problem.hint) == ("--set:1:8", "the scheme is for other networks")


EVERY_LAYER = {
    "torchvision": (
        ("resnet50", *TINY, "stages.depths=[1]", "stages.widths=[64]"),
        "conv1 bn1 relu maxpool layer1.0.conv1 layer1.0.bn1 layer1.0.relu1 layer1.0.conv2 layer1.0.bn2 layer1.0.relu2 "
        "layer1.0.conv3 layer1.0.bn3 layer1.0.downsample.0 layer1.0.downsample.1 layer1.0.add layer1.0.relu3 avgpool "
        "flatten fc",
    ),
    "timm_resnet": (
        ("resnet10t", *TINY, "stages.depths=[1]", "stages.widths=[8]", "stages.strides=[2]"),
        "conv1.0 conv1.1 conv1.2 conv1.3 conv1.4 conv1.5 conv1.6 bn1 act1 maxpool layer1.0.conv1 layer1.0.bn1 "
        "layer1.0.act1 layer1.0.conv2 layer1.0.bn2 layer1.0.downsample.0 layer1.0.downsample.1 layer1.0.downsample.2 "
        "layer1.0.add layer1.0.act2 global_pool flatten fc",
    ),
    "timm_regnet": (
        ("regnetx_002", *ONE, "stages.shortcut=identity", "stages.strides=[1]", "stem.width=16"),
        "stem.conv stem.bn stem.act s1.b1.conv1.conv s1.b1.conv1.bn s1.b1.act1 s1.b1.conv2.conv s1.b1.conv2.bn "
        "s1.b1.act2 s1.b1.conv3.conv s1.b1.conv3.bn s1.b1.add s1.b1.act3 head.pool head.flatten head.fc",
    ),
}


@pytest.mark.parametrize(("settings", "names"), EVERY_LAYER.values(), ids=EVERY_LAYER)
def test_layers_without_weights_have_names_of_the_library_too(settings, names):
    assert [node.name for node in network(*settings, "reference=null").nodes] == names.split()


def test_the_last_of_many_layers_of_vggs_head_gives_the_scores():
    head = f"head={{kind: mlp, pool: 1, hidden: {[4] * 11}}}"
    names = [node.name for node in network("timm-vgg11_bn", "input.size=32", head, "reference=null").nodes]
    assert names[-1] == "head.fc"
    assert [name for name in names if name.startswith("pre_logits.fc")] == [f"pre_logits.fc{n}" for n in range(1, 12)]

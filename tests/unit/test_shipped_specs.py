"""Every shipped spec, against the papers, the reference networks, and counts made by others."""

import json
from functools import cache
from pathlib import Path

import pytest

from resnet_gen.count import count
from resnet_gen.load import load
from resnet_gen.lower import lower
from resnet_gen.printed import Printed
from resnet_gen.resources import references, shipped_specs

FACTS = Path(__file__).parents[1] / "reference" / "paper_facts.json"

RECORDS = {
    "plain18": "plain-18",
    "plain34": "plain-34",
    "resnet18": "ResNet-18-B",
    "resnet18-v1": "ResNet-18-A",
    "resnet34": "ResNet-34-B",
    "resnet34-v1": "ResNet-34-A",
    "resnet34-a": "ResNet-34-A",
    "resnet34-b": "ResNet-34-B",
    "resnet34-c": "ResNet-34-C",
    "resnet50": "ResNet-50",
    "resnet50-v1": "ResNet-50",
    "resnet101": "ResNet-101",
    "resnet101-v1": "ResNet-101",
    "resnet152": "ResNet-152",
    "resnet152-v1": "ResNet-152",
    "cifar-plain20": "plain-20 (CIFAR-10)",
    "cifar-plain56": "plain-56 (CIFAR-10)",
    "cifar-resnet20": "ResNet-20 (CIFAR-10)",
    "cifar-resnet32": "ResNet-32 (CIFAR-10)",
    "cifar-resnet44": "ResNet-44 (CIFAR-10)",
    "cifar-resnet56": "ResNet-56 (CIFAR-10)",
    "cifar-resnet110": "ResNet-110 (CIFAR-10)",
    "cifar-resnet1202": "ResNet-1202 (CIFAR-10)",
    "preact110": "ResNet-110 (cited in 1603.05027)",
    "preact164": "pre-act ResNet-164",
    "preact1001": "pre-act ResNet-1001",
    "highway-b": "Highway B (Fitnet B)",
    "highway-c": "Highway C",
    "vgg11": "VGG-A (11 weight layers)",
    "vgg13": "VGG-B (13 weight layers)",
    "vgg16": "VGG-D (16 weight layers)",
    "vgg19": "VGG-E (19 weight layers)",
    "vgg11_bn": "VGG-A (11 weight layers)",
    "vgg13_bn": "VGG-B (13 weight layers)",
    "vgg16_bn": "VGG-D (16 weight layers)",
    "vgg19_bn": "VGG-E (19 weight layers)",
}
AS_CITED = {"vgg16": "VGG-16 (as cited)", "vgg19": "VGG-19 (as cited)"}
"""VGG's FLOPs are printed by another paper, which has a record of its own."""
WITH_NORM = {name for name in RECORDS if name.endswith("_bn")}
"""The papers' networks had none: batch norm adds two parameters a channel and no MACs."""
STRIDE_ON_3X3 = {"resnet50", "resnet101", "resnet152"}
"""v1.5, which has the parameters of the paper's network and more MACs."""
FIRST_AUTHORS = {
    "1512.03385": "He et al. 2015",
    "1603.05027": "He et al. 2016",
    "1409.1556": "Simonyan and Zisserman 2014",
    "1507.06228": "Srivastava et al. 2015",
}


@cache
def graph(name):
    return lower(load(name))


@cache
def counts(name):
    return count(graph(name)).as_dict()


@cache
def facts():
    return {record["name"]: record for record in json.loads(FACTS.read_text(encoding="utf-8"))}


def claims():
    return [(name, claim) for name in shipped_specs() for claim in load(name).spec.claims]


def described(name, claim):
    return f"{name}-{claim.what}-{claim.value or claim.printed}"


def test_every_shipped_spec_has_a_record_of_its_paper():
    assert sorted(RECORDS) == sorted(shipped_specs())


@pytest.mark.parametrize("name", shipped_specs())
def test_a_shipped_spec_lowers_under_the_name_of_its_file(name):
    assert graph(name).name == load(name).spec.name == name
    assert load(name).spec.title
    assert load(name).spec.paper
    assert len(graph(name).outputs) == 1


@pytest.mark.parametrize(("name", "claim"), [pytest.param(*c, id=described(*c)) for c in claims()])
def test_a_claim_is_met_or_its_exception_is_exact_and_needed(name, claim):
    exact = counts(name)[claim.what]
    if claim.value is not None:
        assert exact == claim.value
    elif claim.exception is None:
        assert Printed.parse(claim.printed).admits(exact)
    else:
        assert exact == claim.exception.value
        assert not Printed.parse(claim.printed).admits(exact)


@pytest.mark.parametrize("name", [name for name in shipped_specs() if load(name).spec.reference])
def test_a_spec_has_the_parameters_of_its_reference_in_name_shape_order_and_count(name):
    reference = json.loads((references() / f"{load(name).spec.reference}.json").read_text(encoding="utf-8"))
    ours = [(weight, list(tensor.shape)) for weight, tensor in graph(name).state().items()]
    assert ours == list(reference["state"].items())
    assert (counts(name)["params"], counts(name)["macs"]) == (reference["params"], reference["macs"])
    assert load(name).spec.input.size == (reference["input"],) * 2


def test_every_reference_is_met_by_a_spec():
    stored = {f"torchvision/{path.stem}" for path in (references() / "torchvision").glob("*.json")}
    assert stored - {load(name).spec.reference for name in shipped_specs()} == set()


@pytest.mark.parametrize("name", RECORDS)
def test_a_network_has_the_depth_and_input_of_its_record(name):
    record = facts()[RECORDS[name]]
    assert counts(name)["layers"] == record["depth"]
    assert load(name).spec.input.size == (record.get("input", 32),) * 2


def norm_params(name):
    return sum(
        t.shape[0] for node in graph(name).nodes if type(node.op).__name__ == "BatchNorm" for t in node.tensors[:2]
    )


COUNTED = [name for name in RECORDS if "computed_params" in facts()[RECORDS[name]] and name != "preact110"]


@pytest.mark.parametrize("name", COUNTED)
def test_parameters_are_those_that_others_counted(name):
    theirs = facts()[RECORDS[name]]["computed_params"]
    assert counts(name)["params"] == theirs + (norm_params(name) if name in WITH_NORM else 0)


@pytest.mark.parametrize("name", COUNTED)
def test_macs_are_those_that_others_counted(name):
    theirs = "computed_macs_v1_5" if name in STRIDE_ON_3X3 else "computed_macs"
    assert counts(name)["macs"] == facts()[RECORDS[name]][theirs]


@pytest.mark.parametrize("name", [name for name in RECORDS if "computed_macs_conv_only" in facts()[RECORDS[name]]])
def test_macs_of_convolutions_are_those_that_others_counted(name):
    assert counts(name)["conv_macs"] == facts()[RECORDS[name]]["computed_macs_conv_only"]


def test_preact110_has_the_record_of_the_original_unit():
    """Its norms move within the blocks and none is added or lost: the counts are the original's."""
    record = facts()[RECORDS["preact110"]]
    assert (counts("preact110")["params"], counts("preact110")["macs"]) == (
        record["computed_params"], record["computed_macs"],
    )  # fmt: skip


def printed_by(record, what):
    """What a record's paper prints of a count, in our notation; None if nothing."""
    text = record.get({"params": "params_printed"}.get(what, "flops_printed"))
    if text is None:
        return None
    for theirs, ours in (("\u00d710^9", "e9"), (" billion", "e9"), (" (millions)", "M"), ("~", "")):
        text = text.replace(theirs, ours)
    return text


def printed_claims():
    for name, claim in claims():
        records = [facts()[names[name]] for names in (RECORDS, AS_CITED) if name in names]
        for record in records:
            if claim.printed and claim.source.startswith(FIRST_AUTHORS[record["arxiv"]]):
                yield pytest.param(claim, record, id=described(name, claim))


@pytest.mark.parametrize(("claim", "record"), list(printed_claims()))
def test_a_printed_claim_is_what_its_paper_prints(claim, record):
    assert claim.printed == printed_by(record, claim.what)


def test_what_a_paper_prints_is_claimed():
    """Each printed figure of a record is claimed by at least one of its specs."""
    claimed = {(facts()[RECORDS[n]]["name"], c.what, c.printed) for n, c in claims() if c.printed}
    records = [facts()[name] for name in {*RECORDS.values()} - {RECORDS["preact110"]}]
    printed = {
        (record["name"], what, printed_by(record, what))
        for record in records
        for what in ("params", "macs")
        if printed_by(record, what)
    }
    assert printed - claimed == set()

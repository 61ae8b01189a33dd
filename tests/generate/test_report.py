"""The text that a spec generates for `generated/`."""

import json

import pytest

from resnet_gen.generate.report import report_files
from resnet_gen.graph.counts import count
from resnet_gen.graph.tables import layer_table
from resnet_gen.language.load import load
from tests.helpers.onnx_runs import TINY, network
from tests.helpers.varied import EVERY


def page(name, *settings):
    return report_files(load(str(name), settings))["README.md"]


def test_a_report_is_a_page_the_counts_and_the_layers():
    files = report_files(load("resnet18"))
    graph = network("resnet18")
    assert list(files) == ["README.md", "counts.json", "layers.txt"]
    assert json.loads(files["counts.json"]) == {
        "name": "resnet18",
        "input": [3, 224, 224],
        **count(graph).as_dict(),
    }
    assert files["layers.txt"] == layer_table(graph)


def test_the_page_shows_title_paper_table_claims_and_verdict():
    lines = page("resnet50").splitlines()
    assert lines[:3] == [
        "# ResNet-50 v1.5",
        "",
        "He et al. 2015, Deep Residual Learning for Image Recognition, arXiv 1512.03385.",
    ]
    assert "| stage 1 | 256 x 56 x 56 | [1x1, 64; 3x3, 64; 1x1, 256] x 3 | 215,808 | 667,942,912 |" in lines
    assert "| **total** | | 50 layers | 25,557,032 | 4,089,184,256 |" in lines
    assert "| layers | 50 | 50 | exactly | He et al. 2015, Table 1 |" in lines
    assert "| macs | 4.09e9 | 4,089,184,256 | within its last digit | torchvision 0.28, ResNet50_Weights |" in lines
    assert lines[-1] == "Verified: no findings."


def test_the_page_names_the_reference_and_how_many_tensors_it_has():
    assert "Reference: `torchvision/resnet18`, all 102 parameter and buffer names and shapes" in page("resnet18")
    assert "Reference" not in page("resnet34-a")


def test_a_claim_that_is_not_met_shows_the_reason():
    text = "claims=[{what: params, printed: 1K, source: us, exception: {value: 363, reason: a typo}}]"
    assert "| params | 1K | 363 | not met: a typo | us |" in page(TINY, text)


def test_a_deviation_shows_its_reason():
    assert "Departs from `half-map-double-filters` on purpose: VGG stops doubling" in page("vgg16")


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ("[{what: layers, value: 9, source: us}]", "**1 finding**"),
        ("[{what: layers, value: 9, source: us}, {what: params, value: 9, source: us}]", "**2 findings**"),
    ],
)
def test_findings_are_counted_on_the_page(claims, words):
    assert f"{words}: run `resnet-gen verify tiny`.\n" in page(TINY, f"claims={claims}")


def test_a_spec_without_title_paper_and_claims_has_a_page():
    lines = page(TINY).splitlines()
    assert lines[:3] == ["# tiny", "", "| stage | output | blocks | params | MACs |"]
    assert not any("claim" in line for line in lines)


@pytest.mark.parametrize("name", EVERY)
def test_tables_have_as_many_cells_as_their_heads(name):
    tables = [block for block in page(name).split("\n\n") if block.startswith("|")]
    assert tables
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1

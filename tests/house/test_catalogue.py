"""Rows of docs/catalogue.md: those that are committed, and what one says of a network that breaks its claim."""

from pathlib import Path

import pytest

from resnet_gen.language.load import load
from tests.refresh.catalogue_page import _row

PAGE = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", ["leela-zero", "alphago-zero-20", "resnet18", "resnet18-c", "cifar-resnet20", "vgg11"])
def test_a_row_is_the_page_s(name):
    row = _row(load(name))
    (line,) = (line for line in PAGE if line.startswith(f"| [{name}]("))
    counts = row.counts
    figures = (f"{counts.params:,}", f"{counts.macs:,}", str(counts.layers), f"{counts.activations:,}")
    cells = (f"[{name}](../generated/{name}/README.md)", row.input, *figures, row.reference, row.claims, row.verified)
    assert line == f"| {' | '.join(cells)} |"


def test_a_network_that_breaks_its_claims_has_findings_and_no_witness():
    wrong = ("claims=[{what: params, value: 1, source: Nobody}, {what: layers, value: 20, source: Nobody}]",)
    assert _row(load("cifar-resnet20", wrong)).verified == "1 findings"

"""What generated PyTorch computed, kept for where torch is not installed."""

import json

import pytest

from tests.helpers import pytorch_parity as parity
from tests.helpers.onnx_runs import TOLERANCE, difference
from tests.helpers.parity import logits

HINT = "run `python -m tests.helpers.pytorch_parity --save` where torch is installed"


@pytest.mark.parametrize("reference", parity.DOZEN)
def test_the_outputs_that_this_very_source_computed_are_the_references(reference):
    kept = json.loads(parity.SAVED.with_suffix(".json").read_text(encoding="utf-8"))
    assert kept[reference] == parity.digest(parity.source(reference)), HINT
    assert difference(parity.saved()[reference], logits()[reference]) < TOLERANCE

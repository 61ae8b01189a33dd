"""Where a variable has oneDNN do with less than the processor has, of which OpenVINO's own plans know nothing."""

import os

import pytest

RESTRAINED = "ONEDNN_MAX_CPU_ISA" in os.environ
on_the_whole_processor = pytest.mark.skipif(
    RESTRAINED,
    reason="OpenVINO plans eight bits and BF16 for the processor that there is, and oneDNN is held to less",
)

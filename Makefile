# `make demo` and `make test` need only git, make and Python 3.10 or newer with venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH := .venv-bench

.PHONY: demo test coverage parity parity-pytorch test-torch long lint types check counters bench example-digits generated clean
.DELETE_ON_ERROR:

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(INSTALLED)  ## the main job on ResNet-50: verify, ONNX, TensorRT-RTX engine, run
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh docs/demo.sh

test: $(INSTALLED)  ## all tests that need no GPU and no torch; one file goes to one process, for what it keeps
	$(BIN)/python -m pytest -n 2 --dist loadfile

coverage: $(INSTALLED)  ## the same, and which lines no test ran; takes twice as long
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term

parity: $(INSTALLED)  ## the outputs of all 141 reference networks, in under 10 minutes
	$(BIN)/python -m tests.parity

parity-pytorch: $(BENCH)/.installed  ## outputs of the PyTorch that is generated for all 141 reference networks
	$(BENCH)/bin/python -m tests.pytorch_parity

test-torch: $(BENCH)/.installed  ## the tests that need torch
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check pytest mypy ruff
	$(BENCH)/bin/python -m pytest -m torch tests/test_torch.py

long: $(INSTALLED)  ## 1,500 networks of the whole language emitted, run and counted; 5,000 broken specs; 5,000 damaged graphs; all that is generated for every spec
	$(BIN)/python -m pytest -n 2 -m long --hypothesis-profile all

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

check: $(INSTALLED)  ## committed output is what the specs generate
	$(BIN)/resnet-gen build --target report -o generated --check
	$(BIN)/python -m tests.sources --check
	$(BIN)/resnet-gen lock --check --no-config --lock specs/resnet-gen.lock

generated: $(INSTALLED)  ## refresh everything committed that is generated
	$(BIN)/python -m tests.refresh

$(BENCH)/.installed: pyproject.toml benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check . -r benchmarks/requirements.txt
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps torchvision==0.28.0
	@touch $@

counters: $(BENCH)/.installed  ## fvcore, thop, ptflops and torchinfo on 28 networks, against what we say of them
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/reference/requirements.txt
	$(BENCH)/bin/python -m pytest -m torch tests/test_conventions.py

bench: $(BENCH)/.installed  ## ratios against torch.onnx.export, side by side, in an environment of its own
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	$(BENCH)/bin/python -m benchmarks
	$(BENCH)/bin/python -m benchmarks.generated_torch

EXAMPLES := .venv-examples
$(EXAMPLES)/.installed: pyproject.toml benchmarks/requirements.txt
	$(PYTHON) -m venv $(EXAMPLES)
	$(EXAMPLES)/bin/python -m pip install --quiet --disable-pip-version-check --constraint benchmarks/requirements.txt --editable '.[examples]'
	@touch $@

example-digits: $(EXAMPLES)/.installed  ## from a spec to a trained, quantized, served network: examples/digits
	$(EXAMPLES)/bin/python examples/digits/digits.py

clean:
	rm -rf $(VENV) $(BENCH) $(EXAMPLES) build dist

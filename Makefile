# `make demo` and `make test` need only git, make and Python 3.10 or newer with venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint types check bench generated clean
.DELETE_ON_ERROR:

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(INSTALLED)  ## the main job on ResNet-50: verify, ONNX, TensorRT-RTX engine, run
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh docs/demo.sh

test: $(INSTALLED)  ## all tests that need no GPU and no torch
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

check: $(INSTALLED)  ## committed output is what the specs generate
	$(BIN)/resnet-gen build --target report -o generated --check

generated: $(INSTALLED)  ## refresh everything committed that is generated
	$(BIN)/python -m tests.refresh

bench: $(INSTALLED)  ## ratios against other exporters, side by side (installs torch beside it)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist

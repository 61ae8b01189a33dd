# `make demo` and `make test` need only git, make and Python 3.10 or newer with venv.
# What they install is locked: requirements/*.txt name every version, for all systems and Pythons; `make lock` writes them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
INSTALLED := $(VENV)/.installed
BENCH := .venv-bench
ALL := .venv-all
FUZZ := .venv-fuzz
PIP := -m pip install --quiet --disable-pip-version-check
ITSELF := --no-deps --no-build-isolation --editable .
FITS := $(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 10) <= v <= (3, 13) or sys.exit( \
    "resnet-gen runs on Python 3.10 to 3.13, and this is %d.%d: name another, as in make PYTHON=python3.12" % v)'
PYTEST := -m pytest -n 2 --dist loadfile
YAML_SERVER := node_modules/.bin/yaml-language-server

SEED ?= $(shell git rev-list --count HEAD 2>/dev/null || echo 1)
EVERY = -m 'long or not long' --hypothesis-profile all --random-order --random-order-seed $(SEED)
RUNTIMES := tests/engine/test_runtimes.py tests/engine/test_computed_types.py tests/engine/test_fused.py tests/speed/test_bench.py \
    tests/quantization/test_precision.py tests/quantization/test_extreme_weights.py tests/accuracy

.PHONY: demo test test-all test-long test-avx2 test-newest test-oldest coverage parity parity-pytorch mutants fuzz lint types check bench \
    example-digits generated lock clean
.DELETE_ON_ERROR:

$(RUNS): pyproject.toml requirements/base.txt
	@$(FITS)
	@echo "1/3 making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@echo "2/3 installing what it runs on, at the versions of requirements/base.txt: a minute or two, most of it TensorRT-RTX"
	@$(BIN)/python $(PIP) -r requirements/base.txt
	@echo "3/3 installing resnet-gen itself, from this folder"
	@$(BIN)/python $(PIP) $(ITSELF)
	@touch $@

$(INSTALLED): pyproject.toml requirements/dev.txt
	@$(FITS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) -r requirements/dev.txt
	$(BIN)/python $(PIP) $(ITSELF)
	@touch $(RUNS) $@

$(ALL)/.installed: pyproject.toml requirements/all.txt
	$(PYTHON) -m venv $(ALL)
	$(ALL)/bin/python $(PIP) -r requirements/all.txt
	$(ALL)/bin/python $(PIP) $(ITSELF)
	@touch $@

demo: $(RUNS)  ## the main job: ResNet-50 verified, as ONNX, as TensorRT-RTX engine; a trained network run on a picture
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh docs/demo.sh

# Two workers on two cores: a sum of NumPy's or torch's is one thread's, or they wait for each other.
test test-all test-long test-avx2 test-newest test-oldest coverage: export OMP_NUM_THREADS := 1

test: $(INSTALLED)  ## all tests that are not marked long, and need no GPU, torch or jax
	$(BIN)/python $(PYTEST)

test-all: $(ALL)/.installed $(YAML_SERVER)  ## every test there is, in random order, with torch, jax and all else (Python 3.11 or newer)
	$(ALL)/bin/python $(PYTEST) $(EVERY)

test-long: $(INSTALLED) $(YAML_SERVER)  ## the same without torch, jax and what else is not in `.venv`
	$(BIN)/python $(PYTEST) $(EVERY)

test-avx2: $(INSTALLED)  ## what runtimes compute on a CPU without AVX-512, VNNI, BF16 and AMX
	ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell $(BIN)/python $(PYTEST) $(RUNTIMES)

test-newest:  ## the tests of `make test` with the newest versions that pyproject.toml allows
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python $(PIP) --upgrade --upgrade-strategy eager --editable '.[dev]'
	.venv-newest/bin/python $(PYTEST)

test-oldest: requirements/oldest.txt  ## the same with the oldest that it allows (of what it names itself)
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python $(PIP) -r requirements/oldest.txt
	.venv-oldest/bin/python $(PIP) $(ITSELF)
	.venv-oldest/bin/python $(PYTEST)

$(YAML_SERVER):
	@npm install --no-save --no-package-lock --silent yaml-language-server@2.0.0 || echo "no npm: tests of editors are skipped"

coverage: $(INSTALLED)  ## `make test`, and which lines no test ran; takes twice as long
	$(BIN)/python $(PYTEST) --cov --cov-report=term

parity: $(INSTALLED)  ## the outputs of all 141 reference networks, in some ten minutes
	$(BIN)/python -m tests.helpers.parity

parity-pytorch: $(BENCH)/.installed  ## outputs of the PyTorch that is generated for all 141 reference networks
	$(BENCH)/bin/python -m tests.helpers.pytorch_parity

mutants: $(INSTALLED)  ## 1,000 mutants of the core, or of ROOMS="graph ops", and which no test kills; records first which tests call what
	@ls build/mutants/calls.*.json >/dev/null 2>&1 || $(BIN)/python -m tests.mutants record -n 2
	$(BIN)/python -m tests.mutants run $(ROOMS)

$(FUZZ)/.installed: pyproject.toml requirements/fuzz.txt
	$(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/python $(PIP) -r requirements/fuzz.txt
	$(FUZZ)/bin/python $(PIP) $(ITSELF)
	@touch $@

SECONDS ?= 60
fuzz: $(FUZZ)/.installed  ## each kind of file fuzzed for SECONDS=60, or READER=onnx alone (Linux on x86-64, Python 3.11 or newer)
	$(FUZZ)/bin/python -m tests.fuzz --seconds $(SECONDS) $(READER)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

check: $(INSTALLED)  ## committed output is what the specs generate
	$(BIN)/resnet-gen build --all-shipped --target report -o generated --check
	$(BIN)/python -m tests.helpers.sources --check
	$(BIN)/resnet-gen lock --check --no-config --lock specs/resnet-gen.lock

generated: $(INSTALLED)  ## refresh everything committed that is generated
	$(BIN)/python -m tests.refresh

lock:  ## the exact versions of everything that is installed here, renewed
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python $(PIP) uv
	@PATH="$(CURDIR)/.venv-lock/bin:$$PATH" sh requirements/lock.sh

$(BENCH)/.installed: pyproject.toml benchmarks/requirements.txt benchmarks/quantizers.txt requirements/all.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python $(PIP) --constraint requirements/all.txt . -r benchmarks/requirements.txt -r benchmarks/quantizers.txt
	$(BENCH)/bin/python $(PIP) --no-deps --constraint requirements/all.txt torchvision
	@touch $@

bench: $(BENCH)/.installed  ## ratios against torch.onnx.export, side by side, in an environment of its own
	$(BENCH)/bin/python $(PIP) --no-deps --force-reinstall .
	$(BENCH)/bin/python -m benchmarks
	$(BENCH)/bin/python -m benchmarks.generated_torch

EXAMPLES := .venv-examples
$(EXAMPLES)/.installed: pyproject.toml requirements/all.txt
	$(PYTHON) -m venv $(EXAMPLES)
	$(EXAMPLES)/bin/python $(PIP) --constraint requirements/all.txt --editable '.[examples]'
	@touch $@

example-digits: $(EXAMPLES)/.installed  ## from a spec to a trained, quantized, served network: examples/digits
	$(EXAMPLES)/bin/python examples/digits/digits.py

clean:
	rm -rf .venv* .bench-cache node_modules build dist

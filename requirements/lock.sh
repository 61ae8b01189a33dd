#!/bin/sh
# Writes the lists of exact versions beside this file, for all systems and Pythons: `make lock` runs this, with uv.
set -eu
cd "$(dirname "$0")/.."

resolved() { # resolved NAME ARGUMENT...: writes requirements/NAME.txt
    name=$1
    shift
    printf 'requirements/%s.txt\n' "$name"
    uv pip compile --quiet --upgrade --universal --no-annotate --custom-compile-command 'make lock' \
        -o "requirements/$name.txt" pyproject.toml requirements/build.in "$@"
}

resolved dev --python-version 3.10 --extra dev
resolved base --python-version 3.10 --constraint requirements/dev.txt
resolved fuzz --python-version 3.11 --constraint requirements/dev.txt requirements/fuzz.in
resolved oldest --python-version 3.10 --extra dev --resolution lowest-direct

# torch is named, and what it needs of CUDA is not: it says so itself, exactly, and its build for CPUs needs none of it.
without=$(for name in cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
    nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 \
    nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx triton; do printf ' --no-emit-package %s' "$name"; done)
# shellcheck disable=SC2086 # several words
resolved all --python-version 3.11 --extra dev --extra examples --extra flax --extra torch $without \
    --constraint requirements/dev.txt benchmarks/requirements.txt tests/reference/requirements.txt requirements/all.in

#!/bin/sh
# The main job, start to end, on ResNet-50. `make demo` runs this.
set -eu

out=build/demo
run() { printf '\n$ %s\n' "$*"; "$@"; }

run resnet-gen verify resnet50
run resnet-gen show resnet50
run resnet-gen build resnet50 -o "$out" --force
if python -c 'import tensorrt_rtx' 2>/dev/null; then
    run resnet-gen build resnet50 -o "$out/fp16" --target tensorrt-rtx --sm 75,86,89,120 --precision fp16 --force
else
    printf '\nno TensorRT-RTX for this machine (it has wheels for x86-64 Linux and Windows): no engine is built\n'
fi
run resnet-gen run "$out/resnet50.onnx" --image docs/pictures/sample.png

printf '\nmade:\n'
find "$out" -type f -exec ls -l {} + | awk '{printf "%12d  %s\n", $5, $NF}'

#!/bin/sh
# The main job, start to end, on ResNet-50; and a trained network on a picture. `make demo` runs this.
set -eu

out=build/demo
say() { printf '\n# %s\n' "$*"; }
run() { printf '\n$ %s\n' "$*"; "$@"; }

say 'ResNet-50 as a spec: compared with the papers and with torchvision, and what it is made of'
run resnet-gen verify resnet50
run resnet-gen show resnet50
say 'its ONNX file, and an engine for GPUs that need not be here'
run resnet-gen build resnet50 -o "$out" --force
if python -c 'import tensorrt_rtx' 2>/dev/null; then
    run resnet-gen build resnet50 -o "$out/fp16" --target tensorrt-rtx --sm 75,86,89,120 --precision fp16 --force
else
    printf '\nno TensorRT-RTX for this machine (it has wheels for x86-64 Linux and Windows): no engine is built\n'
fi
say 'a network that has learnt something, on the picture of a 3 that it has not seen: its classes are the digits'
run resnet-gen build resnet8-digits --weights tests/accuracy/resnet8-digits.safetensors -o "$out" --force
run resnet-gen run "$out/resnet8-digits.onnx" --image examples/digits/three.png --top 3

printf '\nmade:\n'
find "$out" -type f -exec ls -l {} + | awk '{printf "%12d  %s\n", $5, $NF}'
cat <<'END'

next:
  . .venv/bin/activate                             so that resnet-gen is found
  resnet-gen init my-network                       a commented spec of your own to start from
  resnet-gen verify my-network.yaml                what is wrong with it, at line and column
  resnet-gen build my-network.yaml -o build        its ONNX file; --for rtx-4090 an engine, --weights FILE what it has learnt
  resnet-gen generate my-network.yaml --to pytorch -o models    its module, to be trained
docs/commands.md has the rest; `make test` runs the tests.
END

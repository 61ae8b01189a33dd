#include "cuda.hpp"

#include <string>

#include "errors.hpp"

void check(cudaError_t code, const char* function) {
  if (code != cudaSuccess) {
    throw Failed(std::string(function) + ": " + cudaGetErrorString(code));
  }
}

void require_gpu() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess || count == 0) {
    throw BadInput(std::string("no GPU can be used: ") + (code != cudaSuccess ? cudaGetErrorString(code) : "there is none"),
                   "an engine runs on an NVIDIA GPU with its driver; nvidia-smi shows whether there is one");
  }
}

Memory allocate(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes), "cudaMalloc");
  return Memory(memory);
}

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreate(&stream), "cudaStreamCreate");
  return Stream(stream);
}

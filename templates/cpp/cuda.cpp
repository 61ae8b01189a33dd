#include "cuda.hpp"

#include <memory>
#include <string>
#include <type_traits>

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

namespace {

struct DestroyCaptured {
  void operator()(cudaGraph_t graph) const noexcept { static_cast<void>(cudaGraphDestroy(graph)); }
};

}  // namespace

Graph capture(cudaStream_t stream, const std::function<void()>& enqueue) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  cudaGraph_t captured = nullptr;
  try {
    enqueue();
  } catch (...) {  // a stream that is left capturing takes nothing else
    if (cudaStreamEndCapture(stream, &captured) == cudaSuccess && captured != nullptr) {
      static_cast<void>(cudaGraphDestroy(captured));
    }
    throw;
  }
  check(cudaStreamEndCapture(stream, &captured), "cudaStreamEndCapture");
  const std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, DestroyCaptured> graph(captured);
  cudaGraphExec_t runnable = nullptr;
  check(cudaGraphInstantiate(&runnable, graph.get(), 0), "cudaGraphInstantiate");
  return Graph(runnable);
}

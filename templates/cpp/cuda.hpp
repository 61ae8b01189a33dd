// The CUDA runtime: its errors as exceptions, its memory and streams as objects.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>

/// Throws Failed with CUDA's own words if `code` is an error of `function`.
void check(cudaError_t code, const char* function);

/// Throws BadInput if there is no GPU that can be used.
void require_gpu();

struct FreeMemory {
  void operator()(void* memory) const noexcept { static_cast<void>(cudaFree(memory)); }
};
/// Memory on the GPU.
using Memory = std::unique_ptr<void, FreeMemory>;
Memory allocate(std::size_t bytes);

struct DestroyStream {
  void operator()(cudaStream_t stream) const noexcept { static_cast<void>(cudaStreamDestroy(stream)); }
};
/// A queue of work for the GPU.
using Stream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, DestroyStream>;
Stream make_stream();

struct DestroyGraph {
  void operator()(cudaGraphExec_t graph) const noexcept { static_cast<void>(cudaGraphExecDestroy(graph)); }
};
/// Work for the GPU that was captured, to be launched as a whole.
using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, DestroyGraph>;
/// What `enqueue` gives to the stream, captured and not run; addresses and shapes are those of now.
Graph capture(cudaStream_t stream, const std::function<void()>& enqueue);

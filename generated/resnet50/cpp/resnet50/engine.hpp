// A serialized engine of TensorRT or TensorRT-RTX, run on the GPU.
#pragma once

#include <NvInfer.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda.hpp"

/// Keeps what TensorRT says of its errors, which its functions only tell by `false` or a null pointer.
class Logger : public nvinfer1::ILogger {
 public:
  void log(Severity severity, char const* message) noexcept override;

  /// All that was said so far.
  [[nodiscard]] std::string reason() const;

 private:
  mutable std::mutex mutex_;
  std::string said_;
};

/// An engine whose input is network::kInput, images of the network's shape, and which puts out network::kScores.
class Engine {
 public:
  /// Throws BadInput for a file that is not there, is no engine, or is one of another network, version or GPU. With
  /// `graphs` the work of a batch is captured the second time that its size comes, and launched as a whole from then on.
  explicit Engine(const std::string& path, bool graphs = false);

  /// As many images as are run at once, at most.
  [[nodiscard]] std::size_t most() const { return static_cast<std::size_t>(most_); }

  /// The scores of each image, C x H x W values each; at least one image, at most `most()`.
  [[nodiscard]] std::vector<std::vector<float>> scores(const std::vector<std::vector<float>>& images);

 private:
  /// Memory on the GPU for a batch of one size, and the work that was captured with it.
  struct Place {
    std::int64_t batch = 0;
    Memory input;
    std::vector<Memory> outputs;
    const void* scores = nullptr;
    std::size_t bytes = 0;
    bool tried = false;
    Graph graph;
  };
  void prepare(std::int64_t batch, std::size_t bytes);
  void enqueue();
  void check_header(const std::vector<unsigned char>& data) const;
  void check_gpu(const std::vector<unsigned char>& data) const;
  void check_input();
  void check_scores() const;
  void require(bool done) const;
  [[nodiscard]] std::vector<unsigned char> input_bytes(const std::vector<std::vector<float>>& images,
                                                       std::size_t batch) const;

  std::string path_;
  // Destroyed from the last to the first: a context before its engine, that before its runtime.
  Logger logger_;
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  Stream stream_;
  bool graphs_ = false;
  Place place_;
  std::vector<std::string> outputs_;
  std::int64_t least_ = 1;
  std::int64_t most_ = 1;
};

#include "engine.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "errors.hpp"
#include "files.hpp"
#include "network.hpp"
#include "numbers.hpp"

namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;

#ifdef WITH_TENSORRT_RTX
constexpr auto kLibrary = "TensorRT-RTX";
#else
constexpr auto kLibrary = "TensorRT";
#endif

std::string check_engine(const std::string& path) {
  return "resnet-gen check-engine " + path + " says what it was built from and for";
}

std::string shown(const Dims& dims) {
  std::string text;
  for (int i = 0; i < dims.nbDims; ++i) {
    text += (i == 0 ? "" : "x") + (dims.d[i] < 0 ? std::string(i == 0 ? "N" : "?") : std::to_string(dims.d[i]));
  }
  return text;
}

bool is_float(DataType type) {
  return type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
}

/// Bytes of one value; of types that no network of ours puts out, as many as the largest has.
std::size_t bytes_of(DataType type) {
  switch (type) {
    case DataType::kFLOAT:
    case DataType::kINT32:
      return 4;
    case DataType::kHALF:
    case DataType::kBF16:
      return 2;
    default:
      return 8;
  }
}

std::size_t volume(const Dims& dims) {
  std::size_t count = 1;
  for (int i = 0; i < dims.nbDims; ++i) {
    count *= static_cast<std::size_t>(std::max<std::int64_t>(dims.d[i], 0));
  }
  return count;
}

/// Copies one value to where `type` values lie.
void put(unsigned char* to, float value, DataType type) {
  if (type == DataType::kFLOAT) {
    std::memcpy(to, &value, sizeof value);
    return;
  }
  const std::uint16_t bits = type == DataType::kHALF ? to_half(value) : to_bfloat16(value);
  std::memcpy(to, &bits, sizeof bits);
}

float get(const unsigned char* from, DataType type) {
  float value = 0;
  if (type == DataType::kFLOAT) {
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, from, sizeof bits);
  return type == DataType::kHALF ? from_half(bits) : from_bfloat16(bits);
}

}  // namespace

void Logger::log(Severity severity, char const* message) noexcept {
  if (severity != Severity::kERROR && severity != Severity::kINTERNAL_ERROR) {
    return;
  }
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    said_ += (said_.empty() ? "" : "; ") + std::string(message);
  } catch (...) {  // NOLINT(bugprone-empty-catch): out of memory, and nobody to tell
  }
}

std::string Logger::reason() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return said_.empty() ? "it gave no reason" : said_;
}

Engine::Engine(const std::string& path, bool graphs) : path_(path), graphs_(graphs) {
  const std::vector<unsigned char> data = read_file(path);
  if (data.empty()) {
    throw BadInput(path + ": not an engine: it is empty");
  }
  runtime_.reset(nvinfer1::createInferRuntime(logger_));
  if (!runtime_) {
    throw Failed(std::string(kLibrary) + " cannot be started: " + logger_.reason());
  }
  check_header(data);
  require_gpu();
  check_gpu(data);
  engine_.reset(runtime_->deserializeCudaEngine(data.data(), data.size()));
  if (!engine_) {
    throw BadInput(path + ": " + kLibrary + " declines it: " + logger_.reason(), check_engine(path));
  }
  check_input();
  check_scores();
  context_.reset(engine_->createExecutionContext());
  if (!context_) {
    throw Failed(path + ": " + kLibrary + " cannot prepare it: " + logger_.reason());
  }
  stream_ = make_stream();
}

#ifdef WITH_TENSORRT_RTX
// TensorRT-RTX tells from an engine's first bytes what is the matter with it; some of that without a GPU.

namespace {

std::uint64_t faults(nvinfer1::IRuntime& runtime, const std::vector<unsigned char>& data) {
  std::uint64_t found = 0;
  const auto validity =
      runtime.getEngineValidity(data.data(), static_cast<std::int64_t>(data.size()), &found);
  return validity == nvinfer1::EngineValidity::kINVALID ? found : 0;
}

bool has(std::uint64_t found, nvinfer1::EngineInvalidityDiagnostics fault) {
  return (found & static_cast<std::uint64_t>(fault)) != 0;
}

}  // namespace

void Engine::check_header(const std::vector<unsigned char>& data) const {
  using Fault = nvinfer1::EngineInvalidityDiagnostics;
  const std::uint64_t found = faults(*runtime_, data);
  if (has(found, Fault::kMALFORMED_ENGINE)) {
    throw BadInput(path_ + ": not an engine of TensorRT-RTX, or damaged", check_engine(path_));
  }
  if (has(found, Fault::kVERSION_MISMATCH)) {
    throw BadInput(path_ + ": was built by another version of TensorRT-RTX than this program loads",
                   check_engine(path_));
  }
}

void Engine::check_gpu(const std::vector<unsigned char>& data) const {
  using Fault = nvinfer1::EngineInvalidityDiagnostics;
  const std::uint64_t found = faults(*runtime_, data);
  if (has(found, Fault::kUNSUPPORTED_CC)) {
    throw BadInput(path_ + ": was built for other GPUs", check_engine(path_));
  }
  if (has(found, Fault::kOLD_CUDA_DRIVER) || has(found, Fault::kOLD_CUDA_RUNTIME)) {
    throw BadInput(path_ + ": needs a newer CUDA driver or runtime");
  }
  if (has(found, Fault::kINSUFFICIENT_GPU_MEMORY)) {
    throw BadInput(path_ + ": needs more memory than the GPU has");
  }
}
#else
void Engine::check_header(const std::vector<unsigned char>& /*data*/) const {}
void Engine::check_gpu(const std::vector<unsigned char>& /*data*/) const {}
#endif

/// Finds the input, the outputs and the batches that are taken.
void Engine::check_input() {
  std::vector<std::string> inputs;
  for (int i = 0; i < engine_->getNbIOTensors(); ++i) {
    const std::string name = engine_->getIOTensorName(i);
    const bool is_input = engine_->getTensorIOMode(name.c_str()) == nvinfer1::TensorIOMode::kINPUT;
    (is_input ? inputs : outputs_).push_back(name);
  }
  if (inputs.size() != 1) {
    throw BadInput(path_ + ": has " + std::to_string(inputs.size()) + " inputs, and this program feeds one",
                   check_engine(path_));
  }
  const char* name = inputs.front().c_str();
  const Dims dims = engine_->getTensorShape(name);
  const Dims wanted{4, {-1, network::kChannels, network::kHeight, network::kWidth}};
  // A symbolic side takes any size that its profile has, and the first profile has the network's own.
  const bool same = inputs.front() == network::kInput && dims.nbDims == 4 &&
                    std::equal(dims.d + 1, dims.d + 4, wanted.d + 1,
                               [](std::int64_t found, std::int64_t side) { return found == side || found < 0; });
  if (!same || !is_float(engine_->getTensorDataType(name))) {
    throw BadInput(path_ + ": takes '" + name + "' of " + shown(dims) + ", and this program feeds '" +
                       network::kInput + "' of " + shown(wanted) + " floats",
                   check_engine(path_));
  }
  least_ = most_ = dims.d[0];
  if (dims.d[0] < 0) {
    least_ = engine_->getProfileShape(name, 0, nvinfer1::OptProfileSelector::kMIN).d[0];
    most_ = engine_->getProfileShape(name, 0, nvinfer1::OptProfileSelector::kMAX).d[0];
  }
  if (least_ < 1 || most_ < least_) {
    throw BadInput(path_ + ": takes no batch of images", check_engine(path_));
  }
}

void Engine::check_scores() const {
  const char* name = network::kScores;
  if (std::find(outputs_.begin(), outputs_.end(), name) == outputs_.end()) {
    throw BadInput(path_ + ": has no output '" + name + "'", check_engine(path_));
  }
  const Dims dims = engine_->getTensorShape(name);
  if (dims.nbDims != 2 || dims.d[1] != static_cast<std::int64_t>(network::kClasses) ||
      !is_float(engine_->getTensorDataType(name))) {
    throw BadInput(path_ + ": puts out '" + name + "' of " + shown(dims) + ", and this program reads " +
                       shown(Dims{2, {-1, network::kClasses}}) + " floats",
                   check_engine(path_));
  }
}

void Engine::require(bool done) const {
  if (!done) {
    throw Failed(path_ + ": cannot be run: " + logger_.reason());
  }
}

/// The images one after another in the engine's type, and zeros up to the batch.
std::vector<unsigned char> Engine::input_bytes(const std::vector<std::vector<float>>& images,
                                               std::size_t batch) const {
  const DataType type = engine_->getTensorDataType(network::kInput);
  std::vector<unsigned char> bytes(batch * images.front().size() * bytes_of(type));
  unsigned char* to = bytes.data();
  for (const std::vector<float>& image : images) {
    for (const float value : image) {
      put(to, value, type);
      to += bytes_of(type);
    }
  }
  return bytes;
}

/// Memory for a batch of this size, `bytes` of them for its images, in place of that for another size.
void Engine::prepare(std::int64_t batch, std::size_t bytes) {
  place_ = Place{};
  place_.input = allocate(bytes);
  require(context_->setInputShape(network::kInput,
                                  Dims{4, {batch, network::kChannels, network::kHeight, network::kWidth}}));
  require(context_->setTensorAddress(network::kInput, place_.input.get()));
  for (const std::string& name : outputs_) {
    const std::size_t size =
        volume(context_->getTensorShape(name.c_str())) * bytes_of(engine_->getTensorDataType(name.c_str()));
    place_.outputs.push_back(allocate(std::max<std::size_t>(size, 1)));
    require(context_->setTensorAddress(name.c_str(), place_.outputs.back().get()));
    if (name == network::kScores) {
      place_.bytes = size;
      place_.scores = place_.outputs.back().get();
    }
  }
  place_.batch = batch;
}

/// Gives the stream its work: as it is the first time, since a library does some of it once and that cannot be
/// captured; then, where graphs are wanted, as one.
void Engine::enqueue() {
  const auto work = [this] { require(context_->enqueueV3(stream_.get())); };
  if (!graphs_ || !place_.tried) {
    work();
    place_.tried = true;
    return;
  }
  if (!place_.graph) {
    place_.graph = capture(stream_.get(), work);
  }
  check(cudaGraphLaunch(place_.graph.get(), stream_.get()), "cudaGraphLaunch");
}

std::vector<std::vector<float>> Engine::scores(const std::vector<std::vector<float>>& images) {
  const auto batch = std::max(static_cast<std::int64_t>(images.size()), least_);
  const std::vector<unsigned char> input = input_bytes(images, static_cast<std::size_t>(batch));
  if (place_.batch != batch) {
    prepare(batch, input.size());
  }
  check(cudaMemcpyAsync(place_.input.get(), input.data(), input.size(), cudaMemcpyHostToDevice, stream_.get()),
        "cudaMemcpyAsync");
  enqueue();
  std::vector<unsigned char> found(place_.bytes);
  check(cudaMemcpyAsync(found.data(), place_.scores, found.size(), cudaMemcpyDeviceToHost, stream_.get()),
        "cudaMemcpyAsync");
  check(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");
  const DataType type = engine_->getTensorDataType(network::kScores);
  require(found.size() == static_cast<std::size_t>(batch) * network::kClasses * bytes_of(type));
  std::vector<std::vector<float>> all;
  const unsigned char* from = found.data();
  for (std::size_t image = 0; image < images.size(); ++image) {
    std::vector<float> row(network::kClasses);
    for (float& score : row) {
      score = get(from, type);
      from += bytes_of(type);
    }
    all.push_back(std::move(row));
  }
  return all;
}

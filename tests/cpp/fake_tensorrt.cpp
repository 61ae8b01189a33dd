// A stand-in for TensorRT and the CUDA runtime on the CPU, for tests of the generated program. An engine is a text:
// "fake engine", then "input|output NAME float|half|bf16 DIMS... [MIN MAX]" a line, -1 for a batch that varies, a line
// "profile RANK MIN... MAX..." for each profile of an input whose sides vary too, and a line for each thing that goes
// wrong: "fault WORD". A network puts out, for class c of n, the sum of every n-th
// value of the image from the c-th on; other outputs are zeros.
#include <NvInfer.h>
#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "numbers.hpp"

namespace {

struct Tensor {
  std::string name;
  bool input = false;
  nvinfer1::DataType type = nvinfer1::DataType::kFLOAT;
  nvinfer1::Dims dims{};
  std::int64_t least = 0;
  std::int64_t most = 0;
};

struct Plan {
  std::vector<Tensor> tensors;
  std::vector<std::pair<nvinfer1::Dims, nvinfer1::Dims>> profiles;
  std::set<std::string> faults;
  std::size_t profile = 0;
  nvinfer1::Dims given{};  // to the input
  std::map<std::string, void*> places;

  Tensor& at(const std::string& name) {
    for (Tensor& tensor : tensors) {
      if (tensor.name == name) {
        return tensor;
      }
    }
    std::abort();
  }
};

Plan plan;  // one engine at a time
bool capturing = false;
Plan captured;  // with the addresses and the batch of when it was captured
int launches = 0;
nvinfer1::ILogger* logger = nullptr;

void say(const char* message) { logger->log(nvinfer1::ILogger::Severity::kERROR, message); }

bool parse(const std::string& text) {
  plan = {};
  std::istringstream lines(text);
  std::string line;
  if (!std::getline(lines, line) || line != "fake engine") {
    return false;
  }
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string kind;
    std::string type;
    Tensor tensor;
    words >> kind >> tensor.name;
    if (kind == "profile") {
      nvinfer1::Dims least{std::stoi(tensor.name), {}};
      nvinfer1::Dims most = least;
      for (nvinfer1::Dims* dims : {&least, &most}) {
        for (int i = 0; i < dims->nbDims; ++i) {
          words >> dims->d[i];
        }
      }
      plan.profiles.emplace_back(least, most);
      continue;
    }
    if (kind == "fault") {
      plan.faults.insert(tensor.name);
      continue;
    }
    words >> type >> tensor.dims.nbDims;
    tensor.input = kind == "input";
    tensor.type = type == "half"   ? nvinfer1::DataType::kHALF
                  : type == "bf16" ? nvinfer1::DataType::kBF16
                  : type == "int8" ? nvinfer1::DataType::kINT8
                  : type == "uint8" ? nvinfer1::DataType::kUINT8
                  : type == "int64" ? nvinfer1::DataType::kINT64
                  : type == "int32" ? nvinfer1::DataType::kINT32
                                   : nvinfer1::DataType::kFLOAT;
    for (int i = 0; i < tensor.dims.nbDims; ++i) {
      words >> tensor.dims.d[i];
    }
    words >> tensor.least >> tensor.most;
    plan.tensors.push_back(tensor);
  }
  return true;
}

nvinfer1::Dims running(const char* name) {
  nvinfer1::Dims dims = plan.at(name).dims;
  for (int i = 0; i < dims.nbDims; ++i) {
    dims.d[i] = dims.d[i] < 0 ? plan.given.d[i] : dims.d[i];
  }
  return dims;
}

std::size_t volume(const nvinfer1::Dims& dims) {
  std::size_t count = 1;
  for (int i = 0; i < dims.nbDims; ++i) {
    count *= static_cast<std::size_t>(dims.d[i]);
  }
  return count;
}

float read(const void* data, std::size_t at, nvinfer1::DataType type) {
  if (type == nvinfer1::DataType::kFLOAT) {
    return static_cast<const float*>(data)[at];
  }
  if (type == nvinfer1::DataType::kUINT8) {
    return static_cast<float>(static_cast<const std::uint8_t*>(data)[at]);
  }
  const std::uint16_t bits = static_cast<const std::uint16_t*>(data)[at];
  return type == nvinfer1::DataType::kHALF ? from_half(bits) : from_bfloat16(bits);
}

void write(void* data, std::size_t at, nvinfer1::DataType type, float value) {
  if (type == nvinfer1::DataType::kFLOAT) {
    static_cast<float*>(data)[at] = value;
  } else if (type == nvinfer1::DataType::kINT64) {
    static_cast<std::int64_t*>(data)[at] = static_cast<std::int64_t>(value);
  } else if (type == nvinfer1::DataType::kINT32) {
    static_cast<std::int32_t*>(data)[at] = static_cast<std::int32_t>(value);
  } else {
    static_cast<std::uint16_t*>(data)[at] = type == nvinfer1::DataType::kHALF ? to_half(value) : to_bfloat16(value);
  }
}

}  // namespace

namespace nvinfer1 {

IRuntime* createInferRuntime(ILogger& given) noexcept {
  logger = &given;
  return std::getenv("FAKE_NO_RUNTIME") != nullptr ? nullptr : new IRuntime;
}

#ifdef WITH_TENSORRT_RTX
EngineValidity IRuntime::getEngineValidity(void const* blob, std::int64_t size, std::uint64_t* found) const noexcept {
  const bool known = parse(std::string(static_cast<const char*>(blob), static_cast<std::size_t>(size)));
  const char* bits = std::getenv("FAKE_DIAGNOSTICS");
  *found = known ? (bits != nullptr ? std::strtoull(bits, nullptr, 10) : 0) : 32;
  return *found != 0 ? EngineValidity::kINVALID : EngineValidity::kVALID;
}
#endif

ICudaEngine* IRuntime::deserializeCudaEngine(void const* blob, std::size_t size) noexcept {
  if (!parse(std::string(static_cast<const char*>(blob), size))) {
    say("Magic tag does not match");
    return nullptr;
  }
  return new ICudaEngine;
}

std::int32_t ICudaEngine::getNbIOTensors() const noexcept { return static_cast<std::int32_t>(plan.tensors.size()); }
char const* ICudaEngine::getIOTensorName(std::int32_t index) const noexcept {
  return plan.tensors[static_cast<std::size_t>(index)].name.c_str();
}
TensorIOMode ICudaEngine::getTensorIOMode(char const* name) const noexcept {
  return plan.at(name).input ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
}
DataType ICudaEngine::getTensorDataType(char const* name) const noexcept { return plan.at(name).type; }
Dims ICudaEngine::getTensorShape(char const* name) const noexcept { return plan.at(name).dims; }
std::int32_t ICudaEngine::getNbOptimizationProfiles() const noexcept {
  return plan.profiles.empty() ? 1 : static_cast<std::int32_t>(plan.profiles.size());
}
Dims ICudaEngine::getProfileShape(char const* name, std::int32_t index, OptProfileSelector select) const noexcept {
  if (!plan.profiles.empty()) {
    const auto& [least, most] = plan.profiles[static_cast<std::size_t>(index)];
    return select == OptProfileSelector::kMIN ? least : most;
  }
  Dims dims = plan.at(name).dims;
  dims.d[0] = select == OptProfileSelector::kMIN ? plan.at(name).least : plan.at(name).most;
  return dims;
}
IExecutionContext* ICudaEngine::createExecutionContext(ExecutionContextAllocationStrategy) noexcept {
  if (plan.faults.count("context") != 0) {
    say("out of memory");
    return nullptr;
  }
  return new IExecutionContext;
}

bool IExecutionContext::setInputShape(char const* name, Dims const& dims) noexcept {
  const Tensor& tensor = plan.at(name);
  plan.given = dims;
  const ICudaEngine engine;
  const auto profile = static_cast<std::int32_t>(plan.profile);
  const Dims least = engine.getProfileShape(name, profile, OptProfileSelector::kMIN);
  const Dims most = engine.getProfileShape(name, profile, OptProfileSelector::kMAX);
  for (int i = 0; i < dims.nbDims; ++i) {
    const bool varies = tensor.dims.d[i] < 0;
    if (varies ? dims.d[i] < least.d[i] || dims.d[i] > most.d[i] : dims.d[i] != tensor.dims.d[i]) {
      say("a shape outside the profile");
      return false;
    }
  }
  return true;
}
bool IExecutionContext::setOptimizationProfileAsync(std::int32_t profileIndex, cudaStream_t) noexcept {
  plan.profile = static_cast<std::size_t>(profileIndex);
  return plan.profile < plan.profiles.size();
}
bool IExecutionContext::setTensorAddress(char const* name, void* data) noexcept {
  plan.places[name] = data;
  return true;
}
Dims IExecutionContext::getTensorShape(char const* name) const noexcept { return running(name); }

bool IExecutionContext::enqueueV3(cudaStream_t) noexcept {
  if (capturing) {
    captured = plan;
    return plan.faults.count("capture") == 0;
  }
  if (plan.faults.count("enqueue") != 0 || plan.places.size() != plan.tensors.size()) {
    say("a tensor has no address");
    return false;
  }
  const Tensor& input = plan.tensors.front();
  const auto batch = static_cast<std::size_t>(running(input.name.c_str()).d[0]);
  const std::size_t size = volume(running(input.name.c_str())) / batch;
  for (const Tensor& tensor : plan.tensors) {
    const nvinfer1::Dims dims = running(tensor.name.c_str());
    if (tensor.input || dims.nbDims != 2) {
      continue;
    }
    const auto classes = static_cast<std::size_t>(dims.d[1]);
    std::vector<float> sums(batch * classes);
    for (std::size_t i = 0; i < batch * size; ++i) {
      sums[i / size * classes + i % size % classes] += read(plan.places[input.name], i, input.type);
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const bool nan = plan.faults.count("nan") != 0 && i % classes == 0;
      write(plan.places[tensor.name], i, tensor.type, nan ? std::strtof("nan", nullptr) : sums[i]);
    }
  }
  return true;
}

}  // namespace nvinfer1

extern "C" {
const char* cudaGetErrorString(cudaError_t code) {
  return code == cudaErrorNoDevice ? "no CUDA-capable device is detected" : "out of memory";
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return std::getenv("FAKE_NO_GPU") != nullptr ? cudaErrorNoDevice : cudaSuccess;
}
cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  *memory = plan.faults.count("memory") != 0 ? nullptr : std::malloc(bytes);
  return *memory != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  *stream = reinterpret_cast<cudaStream_t>(std::malloc(1));
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  std::free(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  capturing = true;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  capturing = false;
  *graph = reinterpret_cast<cudaGraph_t>(std::malloc(1));
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* graph, cudaGraph_t, unsigned long long) {
  *graph = reinterpret_cast<cudaGraphExec_t>(std::malloc(1));
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t stream) {
  const Plan now = plan;
  plan = captured;
  nvinfer1::IExecutionContext().enqueueV3(stream);
  plan = now;
  if (const char* log = std::getenv("FAKE_LAUNCHES")) {
    std::ofstream(log) << ++launches;
  }
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  std::free(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  std::free(graph);
  return cudaSuccess;
}
}

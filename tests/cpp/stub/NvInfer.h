// The names of TensorRT that the generated program uses, written from NVIDIA's documentation of TensorRT 10 and
// TensorRT-RTX 1, for machines without its headers. tests/generate/test_generate_cpp.py holds them against the Python module.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace nvinfer1 {

enum class DataType : std::int32_t { kFLOAT = 0, kHALF = 1, kINT8 = 2, kINT32 = 3, kBOOL = 4, kUINT8 = 5, kBF16 = 7, kINT64 = 8 };
enum class TensorIOMode : std::int32_t { kNONE = 0, kINPUT = 1, kOUTPUT = 2 };
enum class OptProfileSelector : std::int32_t { kMIN = 0, kOPT = 1, kMAX = 2 };

class Dims64 {
 public:
  static constexpr std::int32_t MAX_DIMS{8};
  std::int32_t nbDims;
  std::int64_t d[MAX_DIMS];
};
using Dims = Dims64;

class ILogger {
 public:
  enum class Severity : std::int32_t { kINTERNAL_ERROR = 0, kERROR = 1, kWARNING = 2, kINFO = 3, kVERBOSE = 4 };
  virtual void log(Severity severity, char const* message) noexcept = 0;
  ILogger() = default;
  virtual ~ILogger() = default;
};

class IExecutionContext {
 public:
  virtual ~IExecutionContext() noexcept = default;
  bool setInputShape(char const* name, Dims const& dims) noexcept;
  bool setOptimizationProfileAsync(std::int32_t profileIndex, cudaStream_t stream) noexcept;
  bool setTensorAddress(char const* name, void* data) noexcept;
  Dims getTensorShape(char const* name) const noexcept;
  bool enqueueV3(cudaStream_t stream) noexcept;
};

enum class ExecutionContextAllocationStrategy : std::int32_t { kSTATIC = 0 };

class ICudaEngine {
 public:
  virtual ~ICudaEngine() noexcept = default;
  std::int32_t getNbIOTensors() const noexcept;
  char const* getIOTensorName(std::int32_t index) const noexcept;
  TensorIOMode getTensorIOMode(char const* name) const noexcept;
  DataType getTensorDataType(char const* name) const noexcept;
  Dims getTensorShape(char const* name) const noexcept;
  std::int32_t getNbOptimizationProfiles() const noexcept;
  Dims getProfileShape(char const* name, std::int32_t profile, OptProfileSelector select) const noexcept;
  IExecutionContext* createExecutionContext(
      ExecutionContextAllocationStrategy strategy = ExecutionContextAllocationStrategy::kSTATIC) noexcept;
};

#ifdef WITH_TENSORRT_RTX
enum class EngineValidity : std::int32_t { kVALID = 0, kSUBOPTIMAL = 1, kINVALID = 2 };
enum class EngineInvalidityDiagnostics : std::uint64_t {
  kVERSION_MISMATCH = 1,
  kUNSUPPORTED_CC = 2,
  kOLD_CUDA_DRIVER = 4,
  kOLD_CUDA_RUNTIME = 8,
  kINSUFFICIENT_GPU_MEMORY = 16,
  kMALFORMED_ENGINE = 32,
  kCUDA_ERROR = 64,
};
#endif

class IRuntime {
 public:
  virtual ~IRuntime() noexcept = default;
  ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept;
#ifdef WITH_TENSORRT_RTX
  EngineValidity getEngineValidity(void const* blob, std::int64_t size, std::uint64_t* diagnostics) const noexcept;
#endif
};

IRuntime* createInferRuntime(ILogger& logger) noexcept;

}  // namespace nvinfer1

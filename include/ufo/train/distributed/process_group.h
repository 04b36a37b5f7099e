#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include <ufo/train/distributed/communicator.h>

namespace ufo::train {

/// Where this process stands among those that train together, and where they meet.
struct ProcessPlace {
  int64_t rank = 0;        ///< 0 to size - 1
  int64_t size = 1;        ///< 1: it trains alone
  int64_t local_rank = 0;  ///< its number on its machine, which is the number of its CUDA device
  int64_t local_size = 1;  ///< processes on its machine; 1 where that is not known
  std::string address;     ///< host of rank 0
  int64_t port = 0;
  bool hosted = false;  ///< another program (torchrun's agent) already listens at address:port
};

/// The value of an environment variable; nothing where it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;

/// Reads what torchrun and Kubernetes' PyTorchJob set: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, with
/// LOCAL_RANK, LOCAL_WORLD_SIZE and TORCHELASTIC_USE_AGENT_STORE where they are there. Where RANK and
/// WORLD_SIZE are not, but MASTER_ADDR is, SLURM_PROCID, SLURM_NTASKS and SLURM_LOCALID stand for them. With
/// none of these, or for one process, the process trains alone and meets nobody.
/// Throws ConfigError for a variable that is missing or out of range.
ProcessPlace find_place(const Environment& environment);

/// The same from the environment of this process.
ProcessPlace find_place();

/// Meets the other processes by c10d: CPU tensors are reduced by Gloo, those on `device` by NCCL where it is
/// a CUDA device. A process alone gets single_process()'s behaviour without any of that. Waits at most ten
/// minutes for the others. From then on a process that has died, hangs or cannot be reached ends this program
/// with exit code 1 within a minute, however long a step takes. Throws std::runtime_error where the others do
/// not come, or came with another kind of device; ConfigError where rank 0 cannot listen.
std::unique_ptr<Communicator> meet(const ProcessPlace& place, at::Device device);

}  // namespace ufo::train

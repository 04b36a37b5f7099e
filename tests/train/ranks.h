#pragma once

#include <cstdint>
#include <future>
#include <type_traits>
#include <vector>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ufo/train/distributed/process_group.h>

namespace ufo::train {

/// A port of this machine that nobody listens at.
inline int64_t free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  ::bind(listener, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(listener);
  return ntohs(address.sin_port);
}

/// Runs `work` as `size` ranks, each in a thread with a process group of its own, and returns what each gave.
template <class Work>
auto as_ranks(int64_t size, const Work& work) {
  using Result = std::invoke_result_t<Work, Communicator&>;
  const int64_t port = free_port();
  std::vector<std::future<Result>> futures;
  for (int64_t rank = 0; rank < size; ++rank) {
    futures.push_back(std::async(std::launch::async, [&work, size, port, rank] {
      const auto communicator =
          meet({.rank = rank, .size = size, .address = "127.0.0.1", .port = port}, at::kCPU);
      const Result result = work(*communicator);
      communicator->close();
      return result;
    }));
  }
  std::vector<Result> results;
  for (auto& future : futures) {
    results.push_back(future.get());
  }
  return results;
}

}  // namespace ufo::train

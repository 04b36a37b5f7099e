#pragma once

#include <cstdint>
#include <functional>

namespace ufo {

/// Calls work(0), ..., work(count - 1) on at::get_num_threads() threads, each taking the next number when it
/// is free. The calls must not depend on one another's order. Inside them ATen runs on one thread, so that
/// their results have the same bytes for any number of threads: LibTorch's own parallel regions do not give
/// that, for MKL takes another path inside them. Rethrows the first exception once all threads have stopped.
/// Calls must not be nested.
void parallel_tasks(int64_t count, const std::function<void(int64_t)>& work);

}  // namespace ufo

#pragma once

#include <cstdint>
#include <functional>

namespace ufo {

/// The number of threads of parallel_tasks: ATen's own number unless set_task_threads gave another.
int64_t task_threads();

/// Sets it; 0 goes back to ATen's. A program that leaves the work to parallel_tasks should then call
/// at::set_num_threads(1): after every small parallel region ATen's threads spin for some milliseconds on the
/// cores that the tasks want.
void set_task_threads(int64_t threads);

/// Calls work(0), ..., work(count - 1) on task_threads() threads, each taking the next number when it
/// is free. The calls must not depend on one another's order. Inside them ATen runs on one thread, so that
/// their results have the same bytes for any number of threads: LibTorch's own parallel regions do not give
/// that, for MKL takes another path inside them. Rethrows the first exception once all threads have stopped.
/// A call from inside another is shared with the threads for which the outer one has no number left: so the
/// last of the outer calls, and those that are too few to go round, find all threads.
void parallel_tasks(int64_t count, const std::function<void(int64_t)>& work);

/// How many threads a call of parallel_tasks would find beside this one now.
int64_t idle_threads();

}  // namespace ufo

#pragma once

#include <ATen/core/Tensor.h>

namespace ufo::simulated {

/// The allocator of pinned memory: the host's, whose ranges are known.
c10::Allocator& pinned_allocator();

bool is_pinned(const void* address);

/// Copies between pinned memory and the device are under way until arrive(): what goes to the host is not
/// there before, and what comes from there must not change before.
void send_to_host(const at::Tensor& to, const at::Tensor& value);
void send_to_device(const at::Tensor& from);

/// The host has waited for all copies that were begun.
void arrive();

}  // namespace ufo::simulated

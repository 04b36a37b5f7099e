// The kernels that layers run on CUDA devices, in the files kernel_*.cuh, one after the other. NVRTC compiles
// them for the device (src/train/cuda/kernel_runner.cpp), the tests compile them for the processor
// (tests/nn/emulated_kernels.cpp); hence no header is included and no vendor's library is called. Whoever
// compiles them defines REAL, float or double, and KERNEL, which begins a kernel's declaration.
//
// T tasks, S images. Activations lie as [T, C, S, H, W]: a channel of a task is a row of S H W pixels.
// Weights of a convolution lie as [T, k, k, C, F], their order in the flat vector, with any stride from task
// to task: 0 where the tasks share them.
//
// This file has what the kernels are told. The host code that launches them reads it too, with void for REAL.

/// n / divisor for 0 <= n < 2^31 without a division (Granlund and Montgomery, PLDI 1994, figure 4.1).
struct Divider {
  unsigned divisor, multiplier, shift;
};

struct ConvolutionSizes {
  int channels, filters, images, height, width, out_height, out_width, kernel, stride, padding;
  Divider by_channels, by_filters, by_kernel, by_out_width, by_out_pixels;
};

/// Weights w and what they are multiplied with or differentiated along, of one task after the other.
struct Operands {
  const REAL *activations, *weights;
  long long weights_stride;
};

/// A sum of one or two products: tangents of products are sums of two.
struct Products {
  Operands term[2];
  int count;
};

/// Batch norm's rows: channel c of task t is row t C + c of `pixels` pixels; gamma and beta are [T, C] with
/// any stride from task to task. A block is a row; its threads are a power of two.
struct NormSizes {
  int channels, pixels;
  long long gamma_stride, beta_stride;
};

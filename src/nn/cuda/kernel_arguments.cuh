// What the kernels are told: kernels.cuh and the host code that launches them both read this file, where REAL is the type
// of numbers for the former and void for the latter.

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

/// Batch norm's rows: channel c of task t is row t C + c of `pixels` pixels; gamma and beta are [T, C] with any stride from
/// task to task. A block is a row; its threads are a power of two.
struct NormSizes {
  int channels, pixels;
  long long gamma_stride, beta_stride;
};

// What the program asks NVIDIA's driver before it opens its library for CUDA.

extern "C" __attribute__((visibility("default"))) int cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}

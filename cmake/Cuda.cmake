# LibTorch::Cuda is what libufo_cuda.so needs beyond it; there is none where UFO_CUDA is OFF, or AUTO and the CUDA part
# of LibTorch or the header of CUDA's runtime are missing. No CUDA toolkit is needed, and no device.
set(_cuda_folders "${LIBTORCH_ROOT}/../nvidia/cu13/include" "$ENV{CUDA_HOME}/include" /usr/local/cuda/include)
find_path(CUDA_RUNTIME_FOLDER cuda_runtime_api.h PATHS ${_cuda_folders} NO_DEFAULT_PATH)
find_path(CUDA_CRT_FOLDER crt/host_defines.h PATHS ${_cuda_folders} NO_DEFAULT_PATH)
find_library(CUDA_RUNTIME_LIBRARY NAMES cudart libcudart.so.13 libcudart.so.12
             PATHS ${LIBTORCH_LIBRARY_FOLDERS} "$ENV{CUDA_HOME}/lib64" /usr/local/cuda/lib64 NO_DEFAULT_PATH)
if(UFO_CUDA AND LIBTORCH_HAS_CUDA AND CUDA_RUNTIME_FOLDER AND CUDA_CRT_FOLDER AND CUDA_RUNTIME_LIBRARY)
  add_library(LibTorch::Cuda INTERFACE IMPORTED GLOBAL)
  target_include_directories(LibTorch::Cuda SYSTEM INTERFACE "${CUDA_RUNTIME_FOLDER}" "${CUDA_CRT_FOLDER}")
  target_link_libraries(LibTorch::Cuda INTERFACE LibTorch::LibTorch torch_cuda c10_cuda "${CUDA_RUNTIME_LIBRARY}")
elseif(UFO_CUDA AND NOT UFO_CUDA STREQUAL "AUTO")
  message(FATAL_ERROR "UFO_CUDA=${UFO_CUDA}: need libtorch_cuda.so in ${LIBTORCH_ROOT}/lib (found: ${LIBTORCH_HAS_CUDA}), "
                      "cuda_runtime_api.h (found: ${CUDA_RUNTIME_FOLDER}), crt/host_defines.h (found: ${CUDA_CRT_FOLDER}) "
                      "and libcudart (found: ${CUDA_RUNTIME_LIBRARY}): run scripts/setup --cuda")
endif()

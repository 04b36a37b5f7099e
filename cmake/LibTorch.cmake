# Defines the imported target LibTorch::LibTorch from any LibTorch 2.11 or newer: the one that the environment
# variable LIBTORCH or CMAKE_PREFIX_PATH names, else the wheel that scripts/setup put under .deps.
# Torch's own package file is not used: it demands a CUDA toolkit wherever the wheel was built with CUDA.

set(_candidates $ENV{LIBTORCH} ${CMAKE_PREFIX_PATH})
file(GLOB _wheels "${PROJECT_SOURCE_DIR}/.deps/python/lib/python3*/site-packages/torch")
list(APPEND _candidates ${_wheels})

set(LIBTORCH_ROOT "")
foreach(_candidate IN LISTS _candidates)
  cmake_path(NORMAL_PATH _candidate)
  if(EXISTS "${_candidate}/../../include/ATen/ATen.h")  # CMAKE_PREFIX_PATH may name share/cmake
    set(_candidate "${_candidate}/../..")
  endif()
  if(NOT LIBTORCH_ROOT AND EXISTS "${_candidate}/include/ATen/ATen.h")
    set(LIBTORCH_ROOT "${_candidate}")
  endif()
endforeach()
if(NOT LIBTORCH_ROOT)
  message(FATAL_ERROR "LibTorch 2.11 or newer is needed and none was found in LIBTORCH, CMAKE_PREFIX_PATH or .deps: "
                      "run scripts/setup")
endif()

file(STRINGS "${LIBTORCH_ROOT}/include/torch/headeronly/version.h" _version_lines
     REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
string(REGEX REPLACE "[^0-9;]" "" LIBTORCH_VERSION "${_version_lines}")
list(JOIN LIBTORCH_VERSION "." LIBTORCH_VERSION)
if(LIBTORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "LibTorch 2.11 or newer is needed, ${LIBTORCH_ROOT} has ${LIBTORCH_VERSION}")
endif()

# The wheel's CUDA libraries lie beside it; libtorch_cpu itself needs the CUDA runtime and CUPTI.
set(LIBTORCH_LIBRARY_FOLDERS "${LIBTORCH_ROOT}/lib")
file(GLOB _nvidia_folders LIST_DIRECTORIES true "${LIBTORCH_ROOT}/../nvidia/*/lib")
list(APPEND LIBTORCH_LIBRARY_FOLDERS ${_nvidia_folders})

set(LIBTORCH_HAS_CUDA OFF)
if(EXISTS "${LIBTORCH_ROOT}/lib/libtorch_cuda.so")
  set(LIBTORCH_HAS_CUDA ON)
endif()

add_library(LibTorch::LibTorch INTERFACE IMPORTED GLOBAL)
target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
  "${LIBTORCH_ROOT}/include" "${LIBTORCH_ROOT}/include/torch/csrc/api/include")
target_link_options(LibTorch::LibTorch INTERFACE
  "-L${LIBTORCH_ROOT}/lib" "LINKER:--no-as-needed" "LINKER:--allow-shlib-undefined")
foreach(_folder IN LISTS LIBTORCH_LIBRARY_FOLDERS)
  target_link_options(LibTorch::LibTorch INTERFACE "LINKER:-rpath,${_folder}" "LINKER:-rpath-link,${_folder}")
endforeach()
target_link_libraries(LibTorch::LibTorch INTERFACE torch_cpu c10)
message(STATUS "LibTorch ${LIBTORCH_VERSION} in ${LIBTORCH_ROOT}")

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

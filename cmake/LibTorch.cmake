# Defines the imported target LibTorch::LibTorch from any LibTorch 2.11 or newer: the one that the environment
# variable LIBTORCH or CMAKE_PREFIX_PATH names, else the one that an installed UFO-MAML was built with, else the wheel that
# scripts/setup put under .deps.
# Torch's own package file is not used: it demands a CUDA toolkit wherever the wheel was built with CUDA.

set(_candidates $ENV{LIBTORCH} ${CMAKE_PREFIX_PATH} ${UfoMaml_LIBTORCH})
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
  target_link_options(LibTorch::LibTorch INTERFACE "LINKER:-rpath-link,${_folder}")
  if(NOT UFO_PYTHON)  # in Python, `import torch` has loaded the libraries
    target_link_options(LibTorch::LibTorch INTERFACE "LINKER:-rpath,${_folder}")
  endif()
endforeach()
target_link_libraries(LibTorch::LibTorch INTERFACE torch_cpu c10)
message(STATUS "LibTorch ${LIBTORCH_VERSION} in ${LIBTORCH_ROOT}")

# Defines the imported target OpenCV::Images: core, imgproc and imgcodecs, which is all that decoding needs.
# Debian's package file for CMake comes only with libopencv-dev, which brings every module and their dependencies.

find_path(OPENCV_INCLUDE_FOLDER opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4 REQUIRED)
add_library(OpenCV::Images INTERFACE IMPORTED GLOBAL)
target_include_directories(OpenCV::Images SYSTEM INTERFACE ${OPENCV_INCLUDE_FOLDER})
foreach(_part IN ITEMS core imgproc imgcodecs)
  find_library(OPENCV_${_part}_LIBRARY opencv_${_part} REQUIRED)
  target_link_libraries(OpenCV::Images INTERFACE ${OPENCV_${_part}_LIBRARY})
endforeach()

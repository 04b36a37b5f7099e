# What `cmake --install` installs: the program, the headers, the modules as static libraries, and the package that
# find_package(UfoMaml) finds.
include(CMakePackageConfigHelpers)

set(_modules ${UFO_MODULES})
list(REMOVE_ITEM _modules cli)  # the program's own
list(JOIN _modules " " UFO_PACKAGE_COMPONENTS)
list(TRANSFORM _modules PREPEND ufo_)

add_library(ufo_maml INTERFACE)
target_link_libraries(ufo_maml INTERFACE ${_modules})
set_target_properties(ufo_maml PROPERTIES EXPORT_NAME UfoMaml)
add_library(UfoMaml::UfoMaml ALIAS ufo_maml)

set(_package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/UfoMaml")
install(TARGETS ufo_maml ufo_log ${_modules} EXPORT UfoMamlTargets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS ufo-maml)
install(DIRECTORY include/ufo TYPE INCLUDE)
if(TARGET ufo_cuda)
  install(TARGETS ufo_cuda LIBRARY)
endif()

install(EXPORT UfoMamlTargets NAMESPACE UfoMaml:: DESTINATION "${_package_folder}")
configure_package_config_file(cmake/UfoMamlConfig.cmake.in "${PROJECT_BINARY_DIR}/UfoMamlConfig.cmake"
                              INSTALL_DESTINATION "${_package_folder}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/UfoMamlConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/UfoMamlConfig.cmake" "${PROJECT_BINARY_DIR}/UfoMamlConfigVersion.cmake"
              cmake/LibTorch.cmake cmake/OpenCV.cmake
        DESTINATION "${_package_folder}")

#include "small_images.h"

#include "small_omniglot.h"

#include <fstream>
#include <stdexcept>

#include <opencv2/imgcodecs.hpp>

namespace ufo::data {

namespace fs = std::filesystem;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

void write_image(const fs::path& path, int seed, int height, int width, int channels) {
  fs::create_directories(path.parent_path());
  cv::Mat image(height, width, channels == 3 ? CV_8UC3 : CV_8UC1);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width * channels; ++x) {
      image.ptr(y)[x] = static_cast<unsigned char>((seed * 41 + y * 13 + x * 7) % 256);
    }
  }
  if (!cv::imwrite(path.string(), image)) {
    throw std::runtime_error("cannot write " + path.string());
  }
}

void pack_folder(const fs::path& archive, const fs::path& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      paths.push_back(fs::relative(entry.path(), folder).string());
    }
  }
  write_zip(archive, folder, paths);
}

SmallMiniImagenet::SmallMiniImagenet(fs::path root) : root_(std::move(root)) {
  const std::vector<std::pair<std::string, std::string>> classes = {
      {"train.csv", "n02"}, {"train.csv", "n01"}, {"val.csv", "n00"}, {"test.csv", "n03"}};
  fs::create_directories(root_);
  for (const char* list : {"train.csv", "val.csv", "test.csv"}) {
    write_text(root_ / list, "filename,label\n");
  }
  int seed = 0;
  for (const auto& [list, name] : classes) {
    for (int i = 1; i <= 3; ++i) {
      const std::string filename = name + "0" + std::to_string(i) + ".png";
      write_image(root_ / "images" / filename, ++seed);
      append(list, filename + "," + name + "\n");
    }
  }
}

void SmallMiniImagenet::append(const std::string& list, const std::string& text) const {
  std::ofstream(root_ / list, std::ios::binary | std::ios::app) << text;
}

DatasetOptions SmallMiniImagenet::options() const {
  DatasetOptions options = dataset_defaults("mini_imagenet");
  options.root = root_.string();
  options.image_size = kSize;
  return options;
}

}  // namespace ufo::data

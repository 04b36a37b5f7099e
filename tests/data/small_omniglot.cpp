#include "small_omniglot.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <archive.h>
#include <archive_entry.h>
#include <opencv2/imgcodecs.hpp>

namespace ufo::data {

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kCharacters = {
    "images_background/Greek/character01", "images_background/Greek/character02",
    "images_background/Hebrew/character01", "images_evaluation/Angelic/character01",
    "images_evaluation/Tibetan/character01"};

}  // namespace

SmallOmniglot::SmallOmniglot(fs::path root) : root_(std::move(root)) {
  for (int c = 0; c < static_cast<int>(kCharacters.size()); ++c) {
    const fs::path folder = root_ / kCharacters[static_cast<size_t>(c)];
    fs::create_directories(folder);
    for (int d = 0; d < counts().drawings; ++d) {
      cv::Mat image(kSize, kSize, CV_8UC1);
      for (int y = 0; y < kSize; ++y) {
        for (int x = 0; x < kSize; ++x) {
          image.at<unsigned char>(y, x) = pixel(c, d, y, x);
        }
      }
      const std::string name = "000" + std::to_string(c + 1) + "_0" + std::to_string(d + 1) + ".png";
      if (!cv::imwrite((folder / name).string(), image)) {
        throw std::runtime_error("cannot write " + (folder / name).string());
      }
    }
  }
}

unsigned char SmallOmniglot::pixel(int character, int drawing, int y, int x) {
  return static_cast<unsigned char>((character * 67 + drawing * 31 + y * 13 + x * x * 5) % 256);
}

OmniglotCounts SmallOmniglot::counts() {
  return {.background = 3,
          .evaluation = 2,
          .drawings = 4,
          .maml = {2, 1, 2},
          .vinyals = {2, 1, 2},
          .lake_validation_alphabets = 1};
}

DatasetOptions SmallOmniglot::options(const std::string& split) const {
  DatasetOptions options;
  options.root = root_.string();
  options.split = split;
  options.image_size = kSize;
  return options;
}

void SmallOmniglot::pack() {
  for (const char* half : {kOmniglotBackground, kOmniglotEvaluation}) {
    std::vector<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(root_ / half)) {
      if (entry.is_regular_file()) {
        paths.push_back(fs::relative(entry.path(), root_).string());
      }
    }
    std::sort(paths.rbegin(), paths.rend());  // archives need not be sorted
    write_zip(root_ / (std::string(half) + ".zip"), root_, paths);
    fs::remove_all(root_ / half);
  }
}

void write_zip(const fs::path& archive, const fs::path& folder, const std::vector<std::string>& paths) {
  ::archive* const writer = ::archive_write_new();
  ::archive_write_set_format_zip(writer);
  ::archive_write_open_filename(writer, archive.c_str());
  for (const std::string& path : paths) {
    const std::string content = read_text(folder / path);
    ::archive_entry* const entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, path.c_str());
    ::archive_entry_set_filetype(entry, AE_IFREG);
    ::archive_entry_set_perm(entry, 0644);
    ::archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    ::archive_write_header(writer, entry);
    ::archive_write_data(writer, content.data(), content.size());
    ::archive_entry_free(entry);
  }
  const bool written = ::archive_write_close(writer) == ARCHIVE_OK;
  ::archive_write_free(writer);
  if (!written) {
    throw std::runtime_error("cannot write " + archive.string());
  }
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ufo::data

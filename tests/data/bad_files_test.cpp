#include "data/file_tree.h"
#include "small_images.h"
#include "small_omniglot.h"
#include "support/temporary_folder.h"

#include <fstream>

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// Images that decoders would take, or choke on, and archives made to harm.
class BadFiles : public testing::Test {
 protected:
  /// What loading three classes, one of which has the file `name` with `content`, says.
  std::string error_with(const std::string& name, const std::string& content) {
    write_text(root_ / "a" / name, content);
    testing::internal::CaptureStderr();
    const std::string error = error_of([&] { load_dataset(options(root_)); });
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    fs::remove(root_ / "a" / name);
    return error;
  }

  static DatasetOptions options(const fs::path& root) {
    DatasetOptions options = dataset_defaults("image_folder");
    options.root = root.string();
    return options;
  }

  BadFiles() {
    for (const char* name : {"a", "b", "c"}) {
      write_image(root_ / name / "0.png", name[0]);
    }
  }

  std::string encoded(const std::string& ending) {
    const fs::path file = folder_.path() / ("x" + ending);
    write_image(file, 1, 40, 30);
    return read_text(file);
  }

  PrivateCache cache_;
  TemporaryFolder folder_;
  const fs::path root_ = fs::weakly_canonical(folder_.path()) / "set";
};

TEST_F(BadFiles, WholeImagesAreAccepted) {
  for (const char* ending : {".png", ".jpg", ".bmp", ".webp"}) {
    EXPECT_EQ(error_with(std::string("x") + ending, encoded(ending)), "") << ending;
  }
}

TEST_F(BadFiles, NamesTheImageThatWasCutAnywhere) {
  for (const char* ending : {".png", ".jpg", ".bmp", ".webp"}) {
    const std::string whole = encoded(ending);
    for (size_t kept : {whole.size() - 2, whole.size() * 3 / 4, whole.size() / 2, size_t{20}, size_t{3}}) {
      EXPECT_THAT(error_with(std::string("x") + ending, whole.substr(0, kept)),
                  testing::StartsWith(root_.string() + ": need an image, cannot decode set/a/x" + ending))
          << kept << " of " << whole.size() << " bytes";
    }
  }
}

TEST_F(BadFiles, AJpegMayGoOnBehindItsEnd) {
  EXPECT_EQ(error_with("x.jpg", encoded(".jpg") + "padding"), "");
}

TEST_F(BadFiles, NamesTheImageOfTooManyPixels) {
  std::string jpeg = encoded(".jpg");
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\xff\x7f\xff");  // height and width
  EXPECT_EQ(error_with("x.jpg", jpeg), root_.string() +
                                           ": need an image, cannot decode set/a/x.jpg: it has 32767x65535 "
                                           "pixels, of at most 40 million");
  std::string bmp = encoded(".bmp");
  bmp.replace(18, 8, std::string("\x00\x00\x01\x00\x00\x00\xff\xff", 8));  // 65536 x -65536
  EXPECT_THAT(error_with("x.bmp", bmp), HasSubstr("65536x65536 pixels"));
}

/// Writes an archive of one entry; `size` zeros where `content` is empty.
void write_entry(const fs::path& path, const std::string& name, size_t size) {
  ::archive* const writer = ::archive_write_new();
  ::archive_write_set_format_zip(writer);
  ::archive_write_open_filename(writer, path.c_str());
  ::archive_entry* const entry = ::archive_entry_new();
  ::archive_entry_set_pathname(entry, name.c_str());
  ::archive_entry_set_filetype(entry, AE_IFREG);
  ::archive_entry_set_perm(entry, 0644);
  ::archive_entry_set_size(entry, static_cast<la_int64_t>(size));
  ::archive_write_header(writer, entry);
  const std::vector<char> zeros(1 << 20);
  for (size_t left = size; left > 0; left -= std::min(left, zeros.size())) {
    ::archive_write_data(writer, zeros.data(), std::min(left, zeros.size()));
  }
  ::archive_entry_free(entry);
  ::archive_write_close(writer);
  ::archive_write_free(writer);
}

TEST_F(BadFiles, RefusesAnArchiveThatUnpacksWithoutEnd) {
  const fs::path archive = root_.parent_path() / "bomb.zip";
  write_entry(archive, "a/x.png", kLargestFile + 1);
  ASSERT_LT(fs::file_size(archive), kLargestFile / 100);
  EXPECT_EQ(error_of([&] { load_dataset(options(archive)); }),
            archive.string() + ": need files of at most 64 MiB, got more in a/x.png");
}

TEST_F(BadFiles, RefusesAFileThatIsFarTooLarge) {
  std::ofstream(root_ / "a/x.png").put('x');
  fs::resize_file(root_ / "a/x.png", kLargestFile + 1);  // a hole, which takes no space
  EXPECT_EQ(error_of([&] { load_dataset(options(root_)); }),
            (root_ / "a/x.png").string() + ": need a file of at most 64 MiB, got more");
}

TEST_F(BadFiles, RefusesArchivesWithPathsThatLeaveThem) {
  const fs::path archive = root_.parent_path() / "paths.zip";
  for (const char* path : {"../x.png", "a/../../x.png", "/tmp/x.png"}) {
    write_entry(archive, path, 10);
    EXPECT_EQ(error_of([&] { load_dataset(options(archive)); }),
              archive.string() + ": need paths that stay inside the archive, got " + path);
  }
}

}  // namespace
}  // namespace ufo::data

#include "data/file_tree.h"
#include "small_images.h"
#include "small_omniglot.h"
#include "support/temporary_folder.h"

#include <fstream>

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <locale.h>
#include <stdlib.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

/// What an archive holds; a link where `target` is given.
struct Entry {
  std::string name, content = {}, target = {};
};

/// How libarchive writes an archive: a format, and a filter around it.
struct Packing {
  int (*format)(::archive*);
  int (*filter)(::archive*) = nullptr;
};

class Archives : public testing::Test {
 protected:
  /// Names are UTF-8 where `locale` says so, else bytes of any kind.
  void write(const fs::path& path, const Packing& packing, const std::vector<Entry>& entries,
             const char* locale = "C.UTF-8") const {
    const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, locale, nullptr);
    const locale_t before = ::uselocale(utf8);
    ::archive* const writer = ::archive_write_new();
    packing.format(writer);
    if (packing.filter != nullptr) {
      packing.filter(writer);
    }
    ASSERT_EQ(::archive_write_open_filename(writer, path.c_str()), ARCHIVE_OK);
    for (const Entry& entry : entries) {
      ::archive_entry* const header = ::archive_entry_new();
      ::archive_entry_set_pathname(header, entry.name.c_str());
      ::archive_entry_set_filetype(header, entry.target.empty() ? AE_IFREG : AE_IFLNK);
      ::archive_entry_set_perm(header, 0644);
      ::archive_entry_set_size(header, static_cast<la_int64_t>(entry.content.size()));
      if (!entry.target.empty()) {
        ::archive_entry_set_symlink(header, entry.target.c_str());
      }
      ::archive_write_header(writer, header);
      ::archive_write_data(writer, entry.content.data(), entry.content.size());
      ::archive_entry_free(header);
    }
    EXPECT_EQ(::archive_write_close(writer), ARCHIVE_OK);
    ::archive_write_free(writer);
    ::uselocale(before);
    ::freelocale(utf8);
  }

  static std::vector<std::string> paths(const fs::path& path) { return open_archive(path)->list().paths; }

  TemporaryFolder folder_;
  const fs::path archive_ = folder_.path() / "a.zip";
};

TEST_F(Archives, NamesBeyondAsciiAreRead) {
  const std::string name = "caf\xc3\xa9/\xe7\x8c\xab.png";
  for (const Packing& packing :
       {Packing{&::archive_write_set_format_zip}, Packing{&::archive_write_set_format_pax},
        Packing{&::archive_write_set_format_gnutar}}) {
    write(archive_, packing, {{name, "x"}, {"plain.png", "y"}});
    EXPECT_THAT(paths(archive_), ElementsAre(name, "plain.png"));
  }
}

TEST_F(Archives, NamesInOlderEncodingsAreReadAsTheirBytes) {
  for (const Packing& packing :
       {Packing{&::archive_write_set_format_zip}, Packing{&::archive_write_set_format_ustar}}) {
    write(archive_, packing, {{"caf\xe9/0.png", "x"}}, "C");
    EXPECT_THAT(paths(archive_), ElementsAre("caf\xe9/0.png"));
  }
}

TEST_F(Archives, LinksAreCountedAsPassedOver) {
  write(archive_, {&::archive_write_set_format_pax}, {{"a/0.png", "x"}, {"a/1.png", "", "0.png"}});
  const TreeListing listing = open_archive(archive_)->list();
  EXPECT_THAT(listing.paths, ElementsAre("a/0.png"));
  EXPECT_EQ(listing.passed_over.line(), "passed over 1 file: 1 links or devices (as a/1.png)");
}

TEST_F(Archives, AreFoundByEveryEndingInAnyCase) {
  PrivateCache cache;
  const fs::path set = folder_.path() / "set";
  for (const char* name : {"a/0.png", "b/0.png"}) {
    write_image(set / name, name[0]);
  }
  std::vector<Entry> entries;
  for (const char* name : {"a/0.png", "b/0.png"}) {
    entries.push_back({name, read_text(set / name)});
  }
  const std::vector<std::pair<std::string, Packing>> archives = {
      {"A.ZIP", {&::archive_write_set_format_zip}},
      {"a.tar.xz", {&::archive_write_set_format_pax, &::archive_write_add_filter_xz}},
      {"a.TXZ", {&::archive_write_set_format_pax, &::archive_write_add_filter_xz}},
      {"a.tar.bz2", {&::archive_write_set_format_pax, &::archive_write_add_filter_bzip2}},
      {"a.tgz", {&::archive_write_set_format_pax, &::archive_write_add_filter_gzip}},
      {"a.tar", {&::archive_write_set_format_pax}}};
  DatasetOptions options = dataset_defaults("image_folder");
  for (const auto& [name, packing] : archives) {
    const fs::path holder = folder_.path() / ("holder of " + name);
    fs::create_directories(holder);
    write(holder / name, packing, entries);
    options.root = holder.string();
    EXPECT_EQ(load_dataset(options).images.images.size(0), 2) << name;
  }
  EXPECT_EQ(archive_stem("images_background.ZIP"), "images_background");
  EXPECT_EQ(archive_stem("notes.txt"), "");
}

TEST_F(Archives, ThatNeedAnotherProgramAreRefusedAndItIsNotRun) {
  const fs::path programs = folder_.path() / "bin", trace = folder_.path() / "trace";
  fs::create_directories(programs);
  for (const char* name : {"lrzip", "lzop", "grzip"}) {
    write_text(programs / name, "#!/bin/sh\ntouch '" + trace.string() + "'\n");
    fs::permissions(programs / name, fs::perms::owner_all);
  }
  const std::string before = ::getenv("PATH");
  ::setenv("PATH", (programs.string() + ":" + before).c_str(), 1);
  for (const std::string& beginning : {std::string("LRZI\0\6", 6), std::string("\x89LZO\0\r\n\x1a\n", 9),
                                       std::string("GRZipII\0\2\4:)", 12)}) {
    write_text(archive_, beginning + std::string(600, '\0'));
    EXPECT_THAT(error_of([&] { paths(archive_); }),
                StartsWith(archive_.string() + ": need a whole zip or tar archive, got"));
  }
  ::setenv("PATH", before.c_str(), 1);
  EXPECT_FALSE(fs::exists(trace));
}

TEST_F(Archives, NamesThatHarmATerminalAreShownHarmless) {
  write(archive_, {&::archive_write_set_format_ustar}, {{"../\x1b[31m.png", "x"}});
  EXPECT_EQ(error_of([&] { paths(archive_); }),
            archive_.string() + ": need paths that stay inside the archive, got ../\\x1b[31m.png");
}

}  // namespace
}  // namespace ufo::data

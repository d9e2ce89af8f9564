#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "base/error.h"
#include "support/places.h"

namespace pgmmr {
namespace {

TEST(File, ReadsBackWhatWasWritten) {
  test::TemporaryFolder folder;
  const std::string bytes("a\0b\n\xff", 5);
  write_file(folder.path() / "x", bytes);
  EXPECT_EQ(read_file(folder.path() / "x"), bytes);
}

TEST(File, NamesTheFileThatIsMissingAFolderOrTooLarge) {
  test::TemporaryFolder folder;
  write_file(folder.path() / "big", "12345");
  for (const auto& [path, limit, kind] :
       {std::tuple{folder.path() / "none", 10, ErrorKind::kNotFound},
        std::tuple{folder.path(), 10, ErrorKind::kInvalidArgument},
        std::tuple{folder.path() / "big", 4, ErrorKind::kInvalidArgument}}) {
    try {
      read_file(path, limit);
      FAIL() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos);
    }
  }
}

// FIPS 180-4's examples.
TEST(File, IsReplacedWhole) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "file";
  write_file(path, "old");
  {
    Replacement abandoned(path);
    std::ofstream(abandoned.part()) << "half";
    EXPECT_EQ(read_file(path), "old");
  }
  EXPECT_EQ(read_file(path), "old");
  const std::filesystem::directory_iterator files(folder.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST(File, WritesThroughALinkAndIntoAPipe) {
  const test::TemporaryFolder folder;
  write_file(folder.path() / "file", "old");
  std::filesystem::create_symlink("file", folder.path() / "link");
  write_file(folder.path() / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "link"));
  EXPECT_EQ(read_file(folder.path() / "file"), "new");

  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::string heard;
  std::thread reader([&] {
    std::ifstream in(pipe);
    std::getline(in, heard);
  });
  write_file(pipe, "said\n");
  reader.join();
  EXPECT_EQ(heard, "said");
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
}

TEST(File, DigestsAreSha256) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(File, RecognisesUtf8) {
  for (const char* good :
       {"", "abc", "\xC3\xA9", "\xE4\xBA\xA4", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace pgmmr

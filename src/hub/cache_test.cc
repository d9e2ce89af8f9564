// The cache as it lies on the disk, shared with Python's huggingface_hub.
#include "hub/cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "hub/hub_fixture.h"

namespace pgmmr {
namespace {

using test::kBig;
using test::kConfig;
using testing::HasSubstr;
using testing::Not;

class CacheTest : public test::HubTest {};

TEST_F(CacheTest, LaysTheCacheOutAsHuggingfaceHubDoes) {
  const auto config = fetch("config.json");
  const auto notes = fetch("deep/er/notes with space.txt");
  const auto model = fetch("model.safetensors");
  EXPECT_EQ(config, in_cache("snapshots/" + commit_ + "/config.json"));
  EXPECT_EQ(read_file(config), kConfig);
  EXPECT_EQ(read_file(notes), "notes");
  EXPECT_EQ(read_file(model), kBig);
  EXPECT_EQ(read_file(in_cache("refs/main")), commit_);
  EXPECT_EQ(std::filesystem::read_symlink(model), "../../blobs/" + sha256_hex(kBig));
  // printf notes | git hash-object --stdin
  EXPECT_EQ(std::filesystem::read_symlink(notes),
            "../../../../blobs/3041adec9105ce2abb98307afd1f4aeb2e97c504");
  EXPECT_THAT(read_file(cache() / "CACHEDIR.TAG"),
              testing::StartsWith("Signature: 8a477f597d28d172789f06886806bc55\n"));
  EXPECT_TRUE(std::filesystem::exists(cache() / ".locks/models--acme--clip" /
                                      (sha256_hex(kBig) + ".lock")));
  for (const auto& entry : std::filesystem::directory_iterator(in_cache("blobs"))) {
    EXPECT_THAT(entry.path().string(), Not(HasSubstr("incomplete")));
  }
}

// The layout as huggingface_hub writes it, made by hand as its documentation shows it.
TEST_F(CacheTest, UsesWhatPythonDownloaded) {
  const std::string commit = "2439f60ef33a0d46d85da5001d52aeda5b00ce9f";
  for (const char* folder : {"refs", "blobs", "snapshots/2439f60ef33a0d46d85da5001d52aeda5b00ce9f",
                             ".no_exist/2439f60ef33a0d46d85da5001d52aeda5b00ce9f"}) {
    std::filesystem::create_directories(in_cache(folder));
  }
  write_file(in_cache("refs/main"), commit);
  write_file(in_cache("blobs/d7edf6bd2a681fb0175f7735299831ee1b22b812"), "python's");
  write_file(in_cache(".no_exist/" + commit + "/tokenizer.json"), "");
  std::filesystem::create_symlink("../../blobs/d7edf6bd2a681fb0175f7735299831ee1b22b812",
                                  in_cache("snapshots/" + commit + "/config.json"));
  HubSettings off = settings();
  off.endpoint = "http://127.0.0.1:9";
  off.offline = true;
  Hub hub(off);
  EXPECT_EQ(read_file(hub.file(RepoKind::kModel, "acme/clip", "config.json")), "python's");
  EXPECT_EQ(hub.file_if_present(RepoKind::kModel, "acme/clip", "tokenizer.json"), std::nullopt);
}

TEST_F(CacheTest, RepairsALinkWhoseBlobIsGone) {
  const auto path = fetch("config.json");
  std::filesystem::remove(std::filesystem::canonical(path));
  EXPECT_EQ(read_file(fetch("config.json")), kConfig);
}

TEST_F(CacheTest, PutsFilesInPlaceWithoutSymlinks) {
  HubSettings plain = settings();
  plain.symlinks = false;
  Hub hub(plain);
  const auto path = hub.file(RepoKind::kModel, "acme/clip", "model.safetensors");
  EXPECT_FALSE(std::filesystem::is_symlink(path));
  EXPECT_EQ(read_file(path), kBig);
  EXPECT_EQ(hub.file(RepoKind::kModel, "acme/clip", "model.safetensors"), path);
}

TEST_F(CacheTest, WaitsForTheLockThatPythonHolds) {
  std::filesystem::create_directories(cache() / ".locks/models--acme--clip");
  const auto lock = cache() / ".locks/models--acme--clip" / (sha256_hex(kBig) + ".lock");
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT, 0664);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  std::atomic<int> waiting = 0;
  std::jthread other([&] {
    Hub hub(settings(), [&](const std::string&, std::uint64_t done, std::uint64_t) {
      if (done == 0) ++waiting;
      return true;
    });
    hub.file(RepoKind::kModel, "acme/clip", "model.safetensors");
  });
  while (waiting < 3) std::this_thread::yield();
  EXPECT_EQ(server_.count("GET", ""), 0);
  close(fd);
  other.join();
  EXPECT_EQ(read_file(in_cache("snapshots/" + commit_ + "/model.safetensors")), kBig);
}

TEST_F(CacheTest, DownloadsOnceForManyThreads) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(read_file(fetch("model.safetensors")), kBig); });
  }
  threads.clear();
  int storage = 0;
  for (const auto& request : server_.requests()) storage += request.storage;
  EXPECT_EQ(storage, 1);
}

}  // namespace
}  // namespace pgmmr

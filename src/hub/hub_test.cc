#include "hub/hub.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "hub/cache.h"
#include "support/hub_server.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kBig(300'000, 'w');
constexpr const char* kConfig = "{\"size\": 224}";

class HubTest : public testing::Test {
 protected:
  HubTest() {
    std::filesystem::create_directories(repo() / "deep/er");
    write_file(repo() / "config.json", kConfig);
    write_file(repo() / "deep/er/notes with space.txt", "notes");
    write_file(repo() / "model.safetensors", kBig);
    commit_ = server_.serve("models", "acme/clip", repo());
  }

  std::filesystem::path repo() const { return folder_.path() / "repo"; }
  std::filesystem::path cache() const { return folder_.path() / "cache"; }
  std::filesystem::path in_cache(const std::string& path) const {
    return cache() / "models--acme--clip" / path;
  }

  HubSettings settings() const {
    HubSettings settings;
    settings.endpoint = server_.url();
    settings.cache = cache();
    settings.retry_ms = 1;
    return settings;
  }

  std::filesystem::path fetch(const std::string& file, const std::string& revision = "main") {
    Hub hub(settings());
    return hub.file(RepoKind::kModel, "acme/clip", file, revision);
  }

  Error failure(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing thrown";
    return Error(ErrorKind::kInternal, "");
  }

  test::HubServer server_;
  test::TemporaryFolder folder_;
  std::string commit_;
};

TEST_F(HubTest, LaysTheCacheOutAsHuggingfaceHubDoes) {
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

TEST_F(HubTest, KeepsTheTokenFromTheStorageHost) {
  server_.make_private("acme/clip", "hf_secret");
  HubSettings with = settings();
  with.token = "hf_secret";
  Hub hub(with);
  hub.file(RepoKind::kModel, "acme/clip", "model.safetensors");
  bool storage = false;
  for (const auto& request : server_.requests()) {
    EXPECT_EQ(request.authorization, request.storage ? "" : "Bearer hf_secret");
    storage |= request.storage;
  }
  EXPECT_TRUE(storage);
}

TEST_F(HubTest, AsksNothingForACachedFileOfACommit) {
  fetch("config.json");
  server_.forget_requests();
  EXPECT_EQ(read_file(fetch("config.json", commit_)), kConfig);
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(HubTest, AsksOnceForACachedFileOfABranchAndFollowsIt) {
  fetch("config.json");
  server_.forget_requests();
  EXPECT_EQ(read_file(fetch("config.json")), kConfig);
  EXPECT_EQ(server_.requests().size(), 1u);
  write_file(repo() / "config.json", "{\"size\": 336}");
  const auto next = server_.serve("models", "acme/clip", repo());
  EXPECT_EQ(read_file(fetch("config.json")), "{\"size\": 336}");
  EXPECT_EQ(read_file(in_cache("refs/main")), next);
  server_.forget_requests();
  fetch("model.safetensors");  // the blob hasn't changed: only the link is new
  EXPECT_FALSE(std::filesystem::exists(in_cache("snapshots/" + next + "/deep")));
}

TEST_F(HubTest, QuotesRevisionsAndNamesAndNestsTheirRefs) {
  server_.serve("models", "acme/clip", repo(), "refs/pr/1");
  EXPECT_EQ(read_file(fetch("deep/er/notes with space.txt", "refs/pr/1")), "notes");
  EXPECT_EQ(read_file(in_cache("refs/refs/pr/1")), commit_);
  EXPECT_EQ(
      server_.count("HEAD", "/acme/clip/resolve/refs%2Fpr%2F1/deep/er/notes%20with%20space.txt"),
      1);
}

TEST_F(HubTest, FollowsARenamedRepository) {
  server_.rename("acme/clip", "acme/clip-renamed");
  EXPECT_EQ(read_file(fetch("config.json")), kConfig);
  EXPECT_EQ(read_file(fetch("model.safetensors")), kBig);
}

TEST_F(HubTest, ResumesACutDownload) {
  server_.add({"GET", "storage:/blobs/", 1, 0, {}, 100'000});
  EXPECT_EQ(read_file(fetch("model.safetensors")), kBig);
  std::vector<std::string> ranges;
  for (const auto& request : server_.requests()) {
    if (request.storage) ranges.push_back(request.range);
  }
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[0], "");
  EXPECT_EQ(ranges[1], "bytes=100000-");
}

TEST_F(HubTest, TakesUpWhatAnEarlierRunLeft) {
  std::filesystem::create_directories(in_cache("blobs"));
  write_file(in_cache("blobs/" + sha256_hex(kBig) + ".incomplete"), kBig.substr(0, 123'456));
  EXPECT_EQ(read_file(fetch("model.safetensors")), kBig);
  EXPECT_EQ(server_.requests().back().range, "bytes=123456-");
}

TEST_F(HubTest, StartsAnewWhereTheServerIgnoresTheRange) {
  server_.add({"GET", "storage:/blobs/", 1, 0, {}, 100'000});
  server_.add({"GET", "storage:/blobs/", 1, 0, {}, 0, true});
  EXPECT_EQ(read_file(fetch("model.safetensors")), kBig);
}

TEST_F(HubTest, StartsAnewWhereTheLeftPartIsSpoilt) {
  std::filesystem::create_directories(in_cache("blobs"));
  write_file(in_cache("blobs/" + sha256_hex(kBig) + ".incomplete"), std::string(1000, 'x'));
  EXPECT_EQ(read_file(fetch("model.safetensors")), kBig);
}

TEST_F(HubTest, DropsALeftPartThatIsTooLong) {
  std::filesystem::create_directories(in_cache("blobs"));
  write_file(in_cache("blobs/" + sha256_hex(kBig) + ".incomplete"), kBig + "more");
  EXPECT_EQ(read_file(fetch("model.safetensors")), kBig);
}

TEST_F(HubTest, GivesUpWhenNoByteArrivesAndGoesOnNextTime) {
  server_.add({"GET", "storage:/blobs/", 1, 0, {}, 200'000});
  server_.add({"GET", "storage:/blobs/", -1, 503});
  const Error error = failure([&] { fetch("model.safetensors"); });
  EXPECT_EQ(error.kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("model.safetensors"));
  EXPECT_EQ(std::filesystem::file_size(in_cache("blobs/" + sha256_hex(kBig) + ".incomplete")),
            200'000u);
  EXPECT_FALSE(std::filesystem::exists(in_cache("snapshots/" + commit_ + "/model.safetensors")));
}

TEST_F(HubTest, RefusesBytesOfAnotherDigest) {
  server_.add({"GET", "storage:/blobs/", -1, 0, {}, 0, false, true});
  const Error error = failure([&] { fetch("model.safetensors"); });
  EXPECT_EQ(error.kind(), ErrorKind::kCorrupt);
  EXPECT_THAT(error.what(), HasSubstr(sha256_hex(kBig)));
  EXPECT_TRUE(std::filesystem::is_empty(in_cache("blobs")));
  server_.add({"GET", "/config.json", -1, 0, {}, 0, false, true});
  EXPECT_EQ(failure([&] { fetch("config.json"); }).kind(), ErrorKind::kCorrupt);
}

TEST_F(HubTest, RetriesWhereTheServerAsksForIt) {
  server_.add({"HEAD", "config.json", 2, 429, {{"Retry-After", "0"}}});
  server_.add({"HEAD", "config.json", 1, 503});
  server_.add({"GET", "config.json", 2, 500});
  EXPECT_EQ(read_file(fetch("config.json")), kConfig);
  EXPECT_EQ(server_.count("HEAD", "config.json"), 4);
  EXPECT_EQ(server_.count("GET", "config.json"), 3);
}

TEST_F(HubTest, DoesNotWaitForAnHour) {
  server_.add({"", "config.json", -1, 429, {{"Retry-After", "3600"}}});
  const Error error = failure([&] { fetch("config.json"); });
  EXPECT_EQ(error.kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("wait 3600 s, or set HF_TOKEN"));
}

TEST_F(HubTest, StopsWhenProgressSaysSo) {
  Hub hub(settings(),
          [](const std::string&, std::uint64_t done, std::uint64_t) { return done == 0; });
  const Error error =
      failure([&] { hub.file(RepoKind::kModel, "acme/clip", "model.safetensors"); });
  EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  EXPECT_EQ(read_file(fetch("model.safetensors")), kBig);
}

TEST_F(HubTest, RemembersThatAFileIsNotThere) {
  Hub hub(settings());
  EXPECT_EQ(hub.file_if_present(RepoKind::kModel, "acme/clip", "tokenizer.json"), std::nullopt);
  EXPECT_TRUE(std::filesystem::exists(in_cache(".no_exist/" + commit_ + "/tokenizer.json")));
  EXPECT_EQ(read_file(in_cache("refs/main")), commit_);
  server_.forget_requests();
  EXPECT_EQ(hub.file_if_present(RepoKind::kModel, "acme/clip", "tokenizer.json", commit_),
            std::nullopt);
  EXPECT_TRUE(server_.requests().empty());
  const Error error = failure([&] { hub.file(RepoKind::kModel, "acme/clip", "tokenizer.json"); });
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(error.what(), HasSubstr("acme/clip, tokenizer.json"));
}

TEST_F(HubTest, SaysWhatToDoWhereAccessIsRefused) {
  Hub hub(settings());
  const auto ask = [&](Hub& from, const std::string& repo, const std::string& revision = "main") {
    return failure([&] { from.file(RepoKind::kModel, repo, "config.json", revision); });
  };
  Error error = ask(hub, "acme/none");
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(error.what(), HasSubstr("HF_TOKEN"));
  error = ask(hub, "acme/clip", "v9");
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(error.what(), HasSubstr("no revision \"v9\""));

  server_.gate("acme/clip", "hf_good");
  error = ask(hub, "acme/clip");
  EXPECT_EQ(error.kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr(server_.url() + "/acme/clip"));
  EXPECT_THAT(error.what(), HasSubstr("HF_TOKEN"));
  HubSettings other = settings();
  other.token = "hf_of_somebody_else";
  Hub stranger(other);
  error = ask(stranger, "acme/clip");
  EXPECT_EQ(error.kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("accept its conditions"));
  EXPECT_THAT(error.what(), Not(HasSubstr("hf_of_somebody_else")));
  other.token = "hf_good";
  Hub member(other);
  EXPECT_EQ(read_file(member.file(RepoKind::kModel, "acme/clip", "config.json")), kConfig);

  server_.serve("models", "acme/other", repo());
  server_.add({"HEAD",
               "acme/other",
               1,
               401,
               {{"X-Error-Message", "Invalid credentials in Authorization header"}}});
  error = ask(stranger, "acme/other");
  EXPECT_THAT(error.what(), HasSubstr("does not accept the token"));
}

TEST_F(HubTest, OfflineMakesNoRequest) {
  fetch("config.json");
  server_.forget_requests();
  HubSettings off = settings();
  off.offline = true;
  Hub hub(off);
  EXPECT_EQ(read_file(hub.file(RepoKind::kModel, "acme/clip", "config.json")), kConfig);
  EXPECT_EQ(hub.file_if_present(RepoKind::kModel, "acme/clip", "tokenizer.json"), std::nullopt);
  EXPECT_EQ(hub.commit(RepoKind::kModel, "acme/clip"), commit_);
  for (const Error& error :
       {failure([&] { hub.file(RepoKind::kModel, "acme/clip", "model.safetensors"); }),
        failure([&] { hub.file(RepoKind::kModel, "acme/other", "config.json"); }),
        failure([&] { hub.list(RepoKind::kModel, "acme/clip"); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnavailable);
    EXPECT_THAT(error.what(), HasSubstr("HF_HUB_OFFLINE"));
  }
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(HubTest, UsesTheCacheWhereTheHubFailsOrCannotBeReached) {
  fetch("config.json");
  server_.add({"HEAD", "config.json", 1, 502});
  EXPECT_EQ(read_file(fetch("config.json")), kConfig);
  EXPECT_EQ(server_.count("HEAD", "config.json"), 2) << "no retry where the cache has it";
  HubSettings nowhere = settings();
  nowhere.endpoint = "http://127.0.0.1:9";  // discard: nobody listens
  Hub hub(nowhere);
  EXPECT_EQ(read_file(hub.file(RepoKind::kModel, "acme/clip", "config.json")), kConfig);
  EXPECT_TRUE(hub.offline());
  EXPECT_EQ(hub.file_if_present(RepoKind::kModel, "acme/clip", "tokenizer.json"), std::nullopt);
}

// The layout as huggingface_hub writes it, made by hand as its documentation shows it.
TEST_F(HubTest, UsesWhatPythonDownloaded) {
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

TEST_F(HubTest, RepairsALinkWhoseBlobIsGone) {
  const auto path = fetch("config.json");
  std::filesystem::remove(std::filesystem::canonical(path));
  EXPECT_EQ(read_file(fetch("config.json")), kConfig);
}

TEST_F(HubTest, PutsFilesInPlaceWithoutSymlinks) {
  HubSettings plain = settings();
  plain.symlinks = false;
  Hub hub(plain);
  const auto path = hub.file(RepoKind::kModel, "acme/clip", "model.safetensors");
  EXPECT_FALSE(std::filesystem::is_symlink(path));
  EXPECT_EQ(read_file(path), kBig);
  EXPECT_EQ(hub.file(RepoKind::kModel, "acme/clip", "model.safetensors"), path);
}

TEST_F(HubTest, WaitsForTheLockThatPythonHolds) {
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

TEST_F(HubTest, DownloadsOnceForManyThreads) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(read_file(fetch("model.safetensors")), kBig); });
  }
  threads.clear();
  int storage = 0;
  for (const auto& request : server_.requests()) storage += request.storage;
  EXPECT_EQ(storage, 1);
}

TEST_F(HubTest, RefusesNamesThatLeaveTheirFolder) {
  Hub hub(settings());
  for (const char* file : {"../x", "a/../../x", "/etc/passwd", "a//b", "", ".", "a\\..\\b", "C:\\x",
                           "a/C:x", "a\nb", "a/"}) {
    EXPECT_EQ(failure([&] { hub.file(RepoKind::kModel, "acme/clip", file); }).kind(),
              ErrorKind::kInvalidArgument)
        << file;
  }
  for (const char* repo : {"", "acme", "../x", "a/b/c", "acme/", "/clip", "a--b/c", "acme/..",
                           "acme/cl ip", "acme/.clip"}) {
    if (std::string(repo) == "acme") continue;  // a repository without owner: allowed
    EXPECT_EQ(failure([&] { hub.file(RepoKind::kModel, repo, "config.json"); }).kind(),
              ErrorKind::kInvalidArgument)
        << repo;
  }
  for (const char* revision : {"", "../main", "/main", "a/../b", "refs//x"}) {
    EXPECT_EQ(
        failure([&] { hub.file(RepoKind::kModel, "acme/clip", "config.json", revision); }).kind(),
        ErrorKind::kInvalidArgument)
        << revision;
  }
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(HubTest, RefusesHeadersThatWouldNamePaths) {
  server_.add({"HEAD", "config.json", 1, 200, {{"X-Repo-Commit", "../../x"}, {"ETag", "\"a\""}}});
  EXPECT_EQ(failure([&] { fetch("config.json"); }).kind(), ErrorKind::kUnavailable);
  server_.add({"HEAD",
               "config.json",
               1,
               200,
               {{"X-Repo-Commit", commit_}, {"ETag", "\"../../../x\""}, {"X-Linked-Size", "3"}}});
  EXPECT_EQ(failure([&] { fetch("config.json"); }).kind(), ErrorKind::kCorrupt);
}

TEST_F(HubTest, SaysThatAnAnswerIsNotAHubs) {
  server_.serve_file("/acme/page/resolve/main/config.json", "<html>log in</html>");
  Hub hub(settings());
  const Error error = failure([&] { hub.file(RepoKind::kModel, "acme/page", "config.json"); });
  EXPECT_EQ(error.kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("X-Repo-Commit"));
}

TEST_F(HubTest, ListsADatasetOverSeveralPages) {
  const auto data = folder_.path() / "data";
  std::filesystem::create_directories(data / "default/train");
  for (int i = 0; i < 25; ++i) {
    write_file(data / "default/train" / (std::to_string(i) + ".parquet"), std::to_string(i));
  }
  write_file(data / "README.md", "#");
  const auto commit = server_.serve("datasets", "acme/pictures", data, "refs/convert/parquet");
  server_.set_page_size(10);
  Hub hub(settings());
  const auto files = hub.list(RepoKind::kDataset, "acme/pictures", "refs/convert/parquet");
  ASSERT_EQ(files.size(), 26u);
  EXPECT_EQ(files[0].path, "README.md");
  EXPECT_EQ(files[1].path, "default/train/0.parquet");
  EXPECT_EQ(files[1].etag, sha256_hex("0"));
  EXPECT_EQ(files[25].size, 1u);
  EXPECT_EQ(server_.count("GET", "/tree/"), 3);
  EXPECT_EQ(server_.count("GET", "/revision/refs%2Fconvert%2Fparquet"), 1);
  EXPECT_EQ(hub.commit(RepoKind::kDataset, "acme/pictures", "refs/convert/parquet"), commit);
  const auto below =
      hub.list(RepoKind::kDataset, "acme/pictures", "refs/convert/parquet", "default/train");
  EXPECT_EQ(below.size(), 25u);
  EXPECT_EQ(server_.count("GET", "/tree/"), 3) << "a commit's listing never changes";

  const auto tree = nlohmann::json::parse(
      read_file(cache() / "datasets--acme--pictures/trees" / (commit + ".json")));
  EXPECT_EQ(tree["format_version"], 1);
  EXPECT_EQ(tree["files"]["default/train/0.parquet"]["lfs_sha256"], sha256_hex("0"));

  HubSettings off = settings();
  off.offline = true;
  Hub offline(off);
  EXPECT_EQ(offline.list(RepoKind::kDataset, "acme/pictures", "refs/convert/parquet").size(), 26u);
  EXPECT_EQ(
      read_file(hub.file(RepoKind::kDataset, "acme/pictures", "default/train/7.parquet", commit)),
      "7");
}

TEST_F(HubTest, ListsBelowAFolder) {
  Hub hub(settings());
  const auto files = hub.list(RepoKind::kModel, "acme/clip", "main", "deep/er");
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].path, "deep/er/notes with space.txt");
}

TEST_F(HubTest, RefusesAListingThatNamesFilesOutside) {
  server_.serve_file("/api/models/acme/evil/revision/main", "{\"sha\":\"" + commit_ + "\"}");
  server_.serve_file("/api/models/acme/evil/tree/" + commit_,
                     R"([{"type":"file","path":"../../.bashrc","size":1,"oid":"x"}])");
  Hub hub(settings());
  EXPECT_EQ(failure([&] { hub.list(RepoKind::kModel, "acme/evil"); }).kind(), ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace pgmmr

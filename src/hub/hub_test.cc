#include "hub/hub.h"

#include <gmock/gmock.h>

#include "hub/hub_fixture.h"

namespace pgmmr {
namespace {

using test::HubTest;
using test::kBig;
using test::kConfig;
using testing::HasSubstr;
using testing::Not;

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

}  // namespace
}  // namespace pgmmr

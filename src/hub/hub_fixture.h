// What the hub's tests share: a hub of their own with one model repository, and an empty cache.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "hub/hub.h"
#include "support/hub_server.h"
#include "support/places.h"

namespace pgmmr::test {

inline const std::string kBig(300'000, 'w');  // of model.safetensors
inline constexpr const char* kConfig = "{\"size\": 224}";

// acme/clip holds config.json, "deep/er/notes with space.txt" and model.safetensors.
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

  HubServer server_;
  TemporaryFolder folder_;
  std::string commit_;
};

}  // namespace pgmmr::test

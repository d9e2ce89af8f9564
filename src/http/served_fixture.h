// A running server for tests: real sockets on a free port, a real PostgreSQL, and an encoder whose
// answers are known.
#pragma once

#include <gtest/gtest.h>
#include <httplib.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/file_uri.h"
#include "http/web_server.h"
#include "image/encode.h"
#include "store/ledger.h"
#include "support/colour_encoder.h"
#include "support/database.h"
#include "support/places.h"

namespace pgmmr::test {

// Two collections of the pictures 0 to rows-1: "numbers" keeps them in the database under keys with
// slashes, "files" refers to files. Their captions: "an even apple 2", "an odd pear 3".
class Served : public testing::Test {
 protected:
  static constexpr int kRows = 40;

  Served() {
    make("numbers", true);
    make("files", false);
    settings_.version = "1.2.3";
  }

  void TearDown() override {
    server_.reset();
    service_.reset();
  }

  static std::string caption(int n) {
    return (n % 2 == 0 ? "an even apple " : "an odd pear ") + std::to_string(n);
  }

  // Starts it with settings_ and limits_ as the test has set them.
  void start() {
    service_ = std::make_unique<Service>(settings_, database_.url(),
                                         [](const std::string& id, const std::string&) {
                                           return std::make_unique<ColourEncoder>(id);
                                         });
    server_ = std::make_unique<WebServer>(*service_, "127.0.0.1", 0, limits_);
    server_->start();
    service_->warm_up([](const std::string& warning) { ADD_FAILURE() << warning; });
  }

  httplib::Client client() const {
    httplib::Client client("127.0.0.1", server_->port());
    client.set_read_timeout(60);
    return client;
  }

  httplib::Result get(const std::string& path, const httplib::Headers& headers = {}) const {
    auto one = client();
    return one.Get(path, headers);
  }

  httplib::Result post(const std::string& path, const nlohmann::json& body,
                       const httplib::Headers& headers = {}) const {
    auto one = client();
    return one.Post(path, headers, body.dump(), "application/json");
  }

  static nlohmann::json json_of(const httplib::Result& result, int status = 200) {
    if (!result) {
      ADD_FAILURE() << "no answer: " << httplib::to_string(result.error());
      return {};
    }
    EXPECT_EQ(result->status, status) << result->body;
    return nlohmann::json::parse(result->body, nullptr, false);
  }

  static std::string picture_bytes(int n) { return encode_png(picture_of(n, 60, 40)); }

  TemporaryFolder folder_;
  TemporaryDatabase database_;
  ServiceSettings settings_;
  ListenerLimits limits_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<WebServer> server_;

 private:
  void make(const std::string& name, bool stores_images) {
    const ColourEncoder encoder;
    Connection connection = database_.connect();
    Collection collection;
    collection.name = name;
    collection.model_id = encoder.info().id;
    collection.model_fingerprint = encoder.info().fingerprint;
    collection.dim = 4;
    collection.columns = {{"number", "bigint"}, {"caption", "text"}};
    collection.captions = {{"caption", "english"}};
    collection.source = "test";
    collection.stores_images = stores_images;
    create_collection(connection, collection);
    plan_chunks(connection, name, "test", {{"chunk", "{}", kRows}});
    auto claim = ChunkClaim::next(connection, collection, "test");
    std::vector<StoredRow> rows;
    for (int n = 0; n < kRows; ++n) {
      StoredRow row;
      row.key = "row/" + std::to_string(n);
      row.values = {std::int64_t{n}, caption(n)};
      row.width = 60;
      row.height = 40;
      row.embedding = vector_of(n);
      if (stores_images) {
        row.image_uri = "media:";
        row.image = picture_bytes(n);
        row.thumbnail = encode_thumbnail(picture_of(n, 60, 40));
      } else {
        const auto path = folder_.path() / (std::to_string(n) + ".png");
        write_file(path, picture_bytes(n));
        row.image_uri = file_uri(path);
      }
      rows.push_back(std::move(row));
    }
    claim->store(rows);
    claim->done();
  }
};

}  // namespace pgmmr::test

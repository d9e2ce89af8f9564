// What the handlers share: settings, models, collections, the database, the encoding workers.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "clip/encoder.h"
#include "http/executor.h"
#include "http/metrics.h"
#include "http/thumbnail_cache.h"
#include "store/collection.h"
#include "store/connection_pool.h"

namespace pgmmr {

struct ServiceSettings {
  std::string version;
  std::string token;                  // empty: everybody may ask
  bool loopback = true;               // listens on this machine alone
  std::vector<std::string> hosts;     // Host names answered besides this machine's own
  std::vector<std::string> origins;   // other sites whose pages may call this one; "*" for any
  bool fetches_urls = true;           // pictures by URL
  bool fetches_private_urls = false;  // from private addresses too: for tests and closed networks
  int encoders = 2;                   // threads that encode
  int connections = 2;                // to the database
  std::size_t in_flight = 256;        // searches and encodings admitted at once
  std::size_t body_bytes = std::size_t{32} << 20;
  std::int64_t pixels = 64'000'000;
  std::string model;  // for /v1/embeddings; empty takes the first collection's
};

inline constexpr int kMostHits = 1000;            // a request
inline constexpr int kMostOffset = 9000;          // both together stay within kMaxHits
inline constexpr std::size_t kMostText = 10'000;  // bytes

using ModelLoader =
    std::function<std::unique_ptr<Encoder>(const std::string& id, const std::string& revision)>;

struct ServedCollection {
  Collection collection;
  CollectionCounts counts;
};
using ServedCollections = std::vector<ServedCollection>;

// threads  all members may be called at once
class Service {
  // Before the executor, which asks it.
  std::atomic<std::size_t> in_flight_ = 0;

 public:
  Service(ServiceSettings settings, std::string database_url, ModelLoader load);

  const ServiceSettings settings;
  Metrics metrics;
  Executor executor;
  ConnectionPool pool;
  ThumbnailCache thumbnails;

  // Loads the models of the collections there are and runs each text tower once.
  //   warn  told of each model that cannot be loaded; its collections answer keyword searches only
  void warm_up(const std::function<void(const std::string&)>& warn);
  bool ready();  // warm, and the database answers

  // As the catalogue had them a moment ago.
  std::shared_ptr<const ServedCollections> collections();
  // name empty: the only one there is.
  //   throws  Error{kNotFound}, Problem{400} where the name is needed
  ServedCollection served(const std::string& name);
  Collection collection(const std::string& name);

  // The encoder the collection was made with.
  //   throws  Problem{503} where it could not be loaded, Error{kConflict} where it is another
  const Encoder& encoder_of(const Collection& collection);
  // Why encoder_of() would fail, if it is known to.
  std::optional<std::string> encoder_problem(const Collection& collection);
  // For embeddings: by the name of a model that is loaded; empty or unknown takes the first.
  const Encoder& encoder_named(const std::string& id);
  std::vector<ModelInfo> models();

  // Held by a search or an encoding while it is under way.
  class Admission {
   public:
    explicit Admission(Service& service);  // throws Problem{503}
    ~Admission() { --service_.in_flight_; }
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;

   private:
    Service& service_;
  };
  std::string metrics_text();

 private:
  struct Model {
    std::unique_ptr<Encoder> encoder;
    std::string problem;
    std::chrono::steady_clock::time_point tried;
  };
  Model& model(const std::string& id, const std::string& revision);  // models_mutex_ is held
  std::shared_ptr<const ServedCollections> refresh(bool now);

  const ModelLoader load_;
  std::mutex models_mutex_;
  std::map<std::pair<std::string, std::string>, Model> models_;  // guarded by models_mutex_
  std::mutex refresh_mutex_;                                     // one refreshes at a time
  std::mutex collections_mutex_;
  std::shared_ptr<const ServedCollections> collections_;    // guarded by collections_mutex_
  std::chrono::steady_clock::time_point listed_, counted_;  // guarded by collections_mutex_
  std::atomic<bool> warm_ = false;
};

}  // namespace pgmmr

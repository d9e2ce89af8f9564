#include "http/service.h"

#include <fmt/core.h>

#include "base/error.h"
#include "http/problem.h"
#include "search/search.h"

namespace pgmmr {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kListEvery = std::chrono::seconds(2);
constexpr auto kCountEvery = std::chrono::seconds(15);  // counting rows reads the table
constexpr auto kTryModelEvery = std::chrono::seconds(60);
constexpr auto kPatience = std::chrono::seconds(15);
constexpr std::size_t kRemembered = 4096;  // 8 MB of embeddings of 512 values
constexpr std::size_t kThumbnailBytes = std::size_t{64} << 20;

}  // namespace

Service::Service(ServiceSettings given, std::string database_url, ModelLoader load)
    : settings(std::move(given)),
      executor(settings.encoders, settings.in_flight, kPatience, kRemembered, settings.connections,
               [this] { return in_flight_ > 1; }),
      pool(std::move(database_url), settings.connections, kPatience),
      thumbnails(kThumbnailBytes),
      load_(std::move(load)) {}

void Service::warm_up(const std::function<void(const std::string&)>& warn) {
  if (!settings.model.empty()) {
    const std::lock_guard lock(models_mutex_);
    const Model& loaded = model(settings.model, "");
    if (!loaded.encoder) warn(loaded.problem);
  }
  for (const ServedCollection& one : *collections()) {
    if (const auto problem = encoder_problem(one.collection)) {
      warn(fmt::format("collection {} answers keyword searches only: {}", one.collection.name,
                       *problem));
    }
  }
  warm_ = true;
}

bool Service::ready() {
  if (!warm_) return false;
  try {
    pool.with([](Connection& connection) { return connection.execute("SELECT 1"); });
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::shared_ptr<const ServedCollections> Service::refresh(bool now) {
  const std::lock_guard refreshing(refresh_mutex_);
  std::shared_ptr<const ServedCollections> before;
  bool counts_too = false;
  {
    const std::lock_guard lock(collections_mutex_);
    before = collections_;
    if (before && !now && Clock::now() - listed_ < kListEvery) return before;
    if (before && now && Clock::now() - listed_ < std::chrono::milliseconds(100)) return before;
    counts_too = !before || Clock::now() - counted_ >= kCountEvery;
  }
  const auto fresh = pool.with([&](Connection& connection) {
    auto all = std::make_shared<ServedCollections>();
    for (Collection& one : list_collections(connection)) {
      ServedCollection served;
      const ServedCollection* known = nullptr;
      if (before && !counts_too) {
        for (const ServedCollection& old : *before) {
          if (old.collection.name == one.name) known = &old;
        }
      }
      served.counts = known != nullptr ? known->counts : count_collection(connection, one.name);
      served.collection = std::move(one);
      all->push_back(std::move(served));
    }
    return all;
  });
  const std::lock_guard lock(collections_mutex_);
  collections_ = fresh;
  listed_ = Clock::now();
  if (counts_too) counted_ = listed_;
  return fresh;
}

std::shared_ptr<const ServedCollections> Service::collections() {
  std::shared_ptr<const ServedCollections> known;
  {
    const std::lock_guard lock(collections_mutex_);
    known = collections_;
    if (known && Clock::now() - listed_ < kListEvery) return known;
    if (known) listed_ = Clock::now() - kListEvery / 2;  // the others go on with what there is
  }
  try {
    return refresh(true);
  } catch (const Error&) {
    if (known) return known;
    throw;
  }
}

ServedCollection Service::served(const std::string& name) {
  auto known = collections();
  for (bool again = false;; again = true) {
    if (name.empty() && known->size() == 1) return known->front();
    for (const ServedCollection& one : *known) {
      if (one.collection.name == name) return one;
    }
    if (again) break;
    known = refresh(true);  // it may be new
  }
  std::string names;
  for (const ServedCollection& one : *known) {
    names += (names.empty() ? "" : ", ") + one.collection.name;
  }
  if (names.empty()) throw Problem(404, "there are no collections yet");
  if (name.empty()) throw mistake("collection", "missing", "one of " + names);
  throw Problem(404, "no collection of that name; there are " + names,
                {{"collection", name.substr(0, 60), "one of " + names}});
}

Collection Service::collection(const std::string& name) { return served(name).collection; }

Service::Model& Service::model(const std::string& id, const std::string& revision) {
  Model& found = models_[{id, revision}];
  if (found.encoder || (!found.problem.empty() && Clock::now() - found.tried < kTryModelEvery)) {
    return found;
  }
  try {
    auto encoder = load_(id, revision);
    encoder->info();
    const std::string words = "a photo";
    encoder->encode_texts({&words, 1});
    found.encoder = std::move(encoder);
    found.problem.clear();
  } catch (const Error& error) {
    found.problem = fmt::format("model {}: {}", id, error.what());
    found.tried = Clock::now();
  }
  return found;
}

const Encoder& Service::encoder_of(const Collection& collection) {
  const std::lock_guard lock(models_mutex_);
  const Model& found = model(collection.model_id, collection.model_revision);
  if (!found.encoder) {
    throw Problem(503, "the model of collection " + collection.name +
                           " could not be loaded; keyword searches work");
  }
  check_model(collection, found.encoder->info());
  return *found.encoder;
}

std::optional<std::string> Service::encoder_problem(const Collection& collection) {
  const std::lock_guard lock(models_mutex_);
  const Model& found = model(collection.model_id, collection.model_revision);
  if (!found.encoder) return found.problem;
  try {
    check_model(collection, found.encoder->info());
  } catch (const Error& error) {
    return error.what();
  }
  return std::nullopt;
}

const Encoder& Service::encoder_named(const std::string& id) {
  {
    const std::lock_guard lock(models_mutex_);
    const Encoder* any = nullptr;
    for (const auto& [name, one] : models_) {
      if (!one.encoder) continue;
      if (name.first == id) return *one.encoder;
      if (any == nullptr || name.first == settings.model) any = one.encoder.get();
    }
    if (any != nullptr) return *any;
  }
  throw Problem(503,
                "no model is loaded: there is no collection yet, and none was named with "
                "--model");
}

std::vector<ModelInfo> Service::models() {
  const std::lock_guard lock(models_mutex_);
  std::vector<ModelInfo> all;
  for (const auto& [name, one] : models_) {
    if (one.encoder) all.push_back(one.encoder->info());
  }
  return all;
}

Service::Admission::Admission(Service& service) : service_(service) {
  if (++service_.in_flight_ > service_.settings.in_flight) {
    --service_.in_flight_;
    throw Problem(503, "too many requests are waiting; try again in a moment", {},
                  {{"Retry-After", "1"}});
  }
}

std::string Service::metrics_text() {
  const Executor::Figures figures = executor.figures();
  metrics.set("pgmmr_waiting_jobs", static_cast<double>(figures.waiting));
  metrics.set("pgmmr_requests_in_flight", static_cast<double>(in_flight_));
  metrics.set("pgmmr_database_connections_in_use", pool.in_use());
  metrics.set("pgmmr_encoded_texts", static_cast<double>(figures.texts));
  metrics.set("pgmmr_encoded_batches", static_cast<double>(figures.batches));
  metrics.set("pgmmr_encoded_pictures", static_cast<double>(figures.pictures));
  metrics.set("pgmmr_refused_jobs", static_cast<double>(figures.refused));
  metrics.set("pgmmr_ready", warm_ ? 1 : 0);
  return metrics.text();
}

}  // namespace pgmmr

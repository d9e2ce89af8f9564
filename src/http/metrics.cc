#include "http/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <utility>

namespace pgmmr {
namespace {

// Seconds, from a keyword search of a small collection to a picture on a loaded machine.
const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10};

const std::map<std::string, std::string> kGauges = {
    {"pgmmr_waiting_jobs", "Encoding jobs that wait for a worker"},
    {"pgmmr_requests_in_flight", "Searches and encodings admitted and not answered yet"},
    {"pgmmr_database_connections_in_use", "Pooled connections that a request holds"},
    {"pgmmr_encoded_texts", "Texts encoded since the start"},
    {"pgmmr_encoded_batches", "Batches they came in"},
    {"pgmmr_encoded_pictures", "Pictures encoded or recalled since the start"},
    {"pgmmr_refused_jobs", "Jobs refused because too many waited"},
    {"pgmmr_ready", "1 once the model is warm and the database answers"},
};

}  // namespace

struct Metrics::Families {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("pgmmr_http_requests_total")
          .Help("Requests answered, by route and status")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& durations =
      prometheus::BuildHistogram()
          .Name("pgmmr_http_request_seconds")
          .Help("From a request's headers to its reply sent")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& stages =
      prometheus::BuildHistogram()
          .Name("pgmmr_stage_seconds")
          .Help("Time in each stage of a request, waiting for it included")
          .Register(registry);
  std::map<std::string, prometheus::Gauge*> gauges;

  // What was asked for before, found without its labels being made and hashed.
  std::mutex mutex;
  std::map<std::pair<std::string, int>, prometheus::Counter*> known_requests;
  std::map<std::string, prometheus::Histogram*> known_durations, known_stages;

  prometheus::Histogram& histogram(prometheus::Family<prometheus::Histogram>& family,
                                   std::map<std::string, prometheus::Histogram*>& known,
                                   const char* label, const std::string& value) {
    const std::lock_guard lock(mutex);
    prometheus::Histogram*& one = known[value];
    if (one == nullptr) one = &family.Add({{label, value}}, kSeconds);
    return *one;
  }
  prometheus::Counter& counter(const std::string& route, int status) {
    const std::lock_guard lock(mutex);
    prometheus::Counter*& one = known_requests[{route, status}];
    if (one == nullptr) {
      one = &requests.Add({{"route", route}, {"status", std::to_string(status)}});
    }
    return *one;
  }
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {
  for (const auto& [name, help] : kGauges) {
    families_->gauges[name] =
        &prometheus::BuildGauge().Name(name).Help(help).Register(families_->registry).Add({});
  }
}

Metrics::~Metrics() = default;

void Metrics::count_request(const std::string& route, int status, double seconds) {
  Families& f = *families_;
  f.counter(route, status).Increment();
  f.histogram(f.durations, f.known_durations, "route", route).Observe(seconds);
}

void Metrics::observe_stage(const std::string& stage, double seconds) {
  Families& f = *families_;
  f.histogram(f.stages, f.known_stages, "stage", stage).Observe(seconds);
}

void Metrics::set(const std::string& name, double value) { families_->gauges.at(name)->Set(value); }

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace pgmmr

// What the service did, in Prometheus' text format.
#pragma once

#include <memory>
#include <string>

namespace pgmmr {

// threads  all members may be called at once
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // route: a pattern of the route table, never a path, so that their number is bounded.
  void count_request(const std::string& route, int status, double seconds);
  // stage: decode, encode, search, thumbnail, fetch
  void observe_stage(const std::string& stage, double seconds);
  // Values read at the time of asking.
  void set(const std::string& name, double value);

  std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace pgmmr

#include "http/gradio_inbox.h"

#include <fmt/core.h>

#include <iterator>
#include <random>
#include <utility>

#include "http/problem.h"

namespace pgmmr {
namespace {

constexpr std::size_t kMostQueues = 1000;
constexpr std::size_t kMostPending = 32;  // of a session
constexpr std::size_t kUploadBytes = std::size_t{128} << 20;
constexpr auto kForgetAfter = std::chrono::minutes(10);

std::string random_name() {
  std::random_device device;
  std::string name;
  for (int i = 0; i < 4; ++i) name += fmt::format("{:08x}", device());
  return name;
}

// Sessions' names are the clients' own: a prefix keeps them apart from event ids.
std::string queue_of_session(const std::string& session) { return "s:" + session; }
std::string queue_of_event(const std::string& event_id) { return "e:" + event_id; }

}  // namespace

std::string GradioInbox::put(const std::string& queue, std::string event_id, GradioCall call) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  std::erase_if(queues_,
                [&](const auto& one) { return one.second.back().since < now - kForgetAfter; });
  auto& calls = queues_[queue];
  if (queues_.size() > kMostQueues || calls.size() >= kMostPending) {
    if (calls.empty()) queues_.erase(queue);
    throw Problem(503, "too many calls wait", {}, {{"Retry-After", "1"}});
  }
  call.event_id = event_id;
  calls.push_back({std::move(call), now});
  came_.notify_all();
  return event_id;
}

std::string GradioInbox::add(const std::string& session, GradioCall call) {
  return put(queue_of_session(session), random_name(), std::move(call));
}

std::string GradioInbox::add_lone(GradioCall call) {
  const std::string event_id = random_name();
  return put(queue_of_event(event_id), event_id, std::move(call));
}

std::optional<GradioCall> GradioInbox::take_of(const std::string& queue,
                                               std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  came_.wait_for(lock, patience, [&] { return queues_.contains(queue); });
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return std::nullopt;
  GradioCall call = std::move(found->second.front().call);
  found->second.pop_front();
  if (found->second.empty()) queues_.erase(found);
  return call;
}

std::optional<GradioCall> GradioInbox::take(const std::string& session,
                                            std::chrono::milliseconds patience) {
  return take_of(queue_of_session(session), patience);
}

std::optional<GradioCall> GradioInbox::take_lone(const std::string& event_id) {
  return take_of(queue_of_event(event_id), {});
}

void GradioInbox::drop(const std::string& event_id) {
  const std::lock_guard lock(mutex_);
  for (auto one = queues_.begin(); one != queues_.end();) {
    std::erase_if(one->second,
                  [&](const Waiting& waiting) { return waiting.call.event_id == event_id; });
    one = one->second.empty() ? queues_.erase(one) : std::next(one);
  }
}

std::string GradioInbox::add_upload(std::string bytes) {
  const std::lock_guard lock(mutex_);
  const auto old = Clock::now() - kForgetAfter;
  upload_bytes_ += bytes.size();
  uploads_.push_back({"upload/" + random_name(), std::move(bytes), Clock::now()});
  while (uploads_.size() > 1 && (upload_bytes_ > kUploadBytes || uploads_.front().since < old)) {
    upload_bytes_ -= uploads_.front().bytes.size();
    uploads_.pop_front();
  }
  return uploads_.back().path;
}

std::optional<std::string> GradioInbox::upload(std::string_view path) {
  const std::lock_guard lock(mutex_);
  for (const Upload& one : uploads_) {
    if (path.starts_with(one.path)) return one.bytes;
  }
  return std::nullopt;
}

}  // namespace pgmmr

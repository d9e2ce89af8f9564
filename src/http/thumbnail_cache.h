// Thumbnails that were made here, because their collection stores none: bytes by a key, the least
// recently asked for go first.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace pgmmr {

class ThumbnailCache {
 public:
  explicit ThumbnailCache(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  std::shared_ptr<const std::string> find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->second;
  }

  void add(const std::string& key, std::shared_ptr<const std::string> bytes) {
    const std::lock_guard lock(mutex_);
    if (places_.contains(key)) return;
    bytes_ += bytes->size();
    entries_.emplace_front(key, std::move(bytes));
    places_[key] = entries_.begin();
    while (bytes_ > most_bytes_ && entries_.size() > 1) {
      bytes_ -= entries_.back().second->size();
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
  }

 private:
  using Entries = std::list<std::pair<std::string, std::shared_ptr<const std::string>>>;
  const std::size_t most_bytes_;
  std::mutex mutex_;
  Entries entries_;                                            // guarded by mutex_
  std::unordered_map<std::string, Entries::iterator> places_;  // guarded by mutex_
  std::size_t bytes_ = 0;                                      // guarded by mutex_
};

}  // namespace pgmmr

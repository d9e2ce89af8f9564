// All rows of a collection, in the order of their keys, a few hundred in memory at a time.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "store/collection.h"
#include "store/connection.h"

namespace pgmmr {

struct ScannedRow {
  std::string key, image_uri;
  // One for each of Collection::columns, in text form: ISO dates and times (UTC), bytea as hex
  // digits, lists as JSON.
  std::vector<std::optional<std::string>> values;
  std::vector<float> embedding;
};

// A cursor in a read-only transaction: what is written meanwhile is not seen. The connection is its
// own until the object is gone.
class CollectionScan {
 public:
  CollectionScan(Connection& connection, const Collection& collection);

  std::int64_t rows() const { return rows_; }  // in all
  std::optional<ScannedRow> next();

 private:
  void fetch();

  Connection& connection_;
  const Collection collection_;
  Transaction transaction_;
  std::int64_t rows_ = 0;
  bool at_end_ = false;
  std::deque<ScannedRow> fetched_;
};

}  // namespace pgmmr

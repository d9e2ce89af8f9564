// Failures as application/problem+json (RFC 9457), and which status each kind of error is.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "http/message.h"

namespace pgmmr {

struct FieldMistake {
  std::string field, found, expected;
};

// A failure that already knows its status; what() is the detail.
class Problem : public std::runtime_error {
 public:
  Problem(int http_status, const std::string& detail, std::vector<FieldMistake> fields = {},
          std::vector<std::pair<std::string, std::string>> extra = {})
      : std::runtime_error(detail),
        status(http_status),
        mistakes(std::move(fields)),
        headers(std::move(extra)) {}
  int status;
  std::vector<FieldMistake> mistakes;
  std::vector<std::pair<std::string, std::string>> headers;
};

// One field that is not what it should be: 400.
Problem mistake(const std::string& field, const std::string& found, const std::string& expected);
// Several of them, told at once.
Problem mistakes(std::vector<FieldMistake> fields);

const char* status_title(int status);

WebReply problem_reply(const WebRequest& request, int status, const std::string& detail,
                       const std::vector<FieldMistake>& mistakes = {});

// What a client is told of what was thrown, and what the log is told.
//   returns  Problem of its own status; Error by its kind: 400 kInvalidArgument, 404 kNotFound,
//            409 kConflict, 503 kUnavailable and kCancelled, else 500. The texts of 500 and 503
//            may name files and servers, so they go to the log alone.
struct Failure {
  Problem told;
  std::string logged;  // empty where the client's mistake is the whole story
};
Failure failure_of(const std::exception_ptr& thrown);

}  // namespace pgmmr

#include "http/problem.h"

#include <nlohmann/json.hpp>

namespace pgmmr {

Problem mistake(const std::string& field, const std::string& found, const std::string& expected) {
  return mistakes({{field, found, expected}});
}

Problem mistakes(std::vector<FieldMistake> fields) {
  std::string detail;
  for (const FieldMistake& one : fields) {
    detail += (detail.empty() ? "" : "; ") + one.field + " is " + one.found + ", expected " +
              one.expected;
  }
  return Problem(400, detail, std::move(fields));
}

const char* status_title(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return status < 400 ? "OK" : "Error";
  }
}

WebReply problem_reply(const WebRequest& request, int status, const std::string& detail,
                       const std::vector<FieldMistake>& mistakes) {
  nlohmann::ordered_json json = {{"type", "about:blank"},
                                 {"title", status_title(status)},
                                 {"status", status},
                                 {"detail", detail},
                                 {"request_id", request.id}};
  for (const FieldMistake& one : mistakes) {
    json["errors"].push_back(
        {{"field", one.field}, {"found", one.found}, {"expected", one.expected}});
  }
  WebReply reply = json_reply(
      json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace), status);
  reply.content_type = "application/problem+json";
  reply.headers.emplace_back("Cache-Control", "no-store");
  return reply;
}

Failure failure_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Problem& problem) {
    return {problem, ""};
  } catch (const Error& error) {
    switch (error.kind()) {
      case ErrorKind::kInvalidArgument:
        return {Problem(400, error.what()), ""};
      case ErrorKind::kNotFound:
        return {Problem(404, error.what()), ""};
      case ErrorKind::kConflict:
        return {Problem(409, error.what()), ""};
      case ErrorKind::kUnavailable:
      case ErrorKind::kCancelled:
        return {Problem(503, "something this server needs does not answer; try again", {},
                        {{"Retry-After", "2"}}),
                error.what()};
      default:
        break;
    }
    return {Problem(500, "the server failed; its log has the request's id"), error.what()};
  } catch (const std::exception& error) {
    return {Problem(500, "the server failed; its log has the request's id"), error.what()};
  } catch (...) {
    return {Problem(500, "the server failed; its log has the request's id"), "unknown failure"};
  }
}

}  // namespace pgmmr

// Gradio's wire protocol, so that its clients (@gradio/client, gradio_client) work as they are.
//
// A call is two requests: one that leaves it here, one that opens a stream of server-sent events
// and gets the result. So the second one's thread does the work, and nothing runs for a client that
// never comes back. What the clients expect beyond the documentation, from their own source
// (gradio 6 client/js/src, client/python/gradio_client): frames are "data: {json}\n\n" alone,
// without comments; every message but heartbeat and close_stream has an event_id; a heartbeat
// stream is held open, because the Python client asks again at once; an unknown session is told by
// a message.
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "http/api_routes.h"
#include "http/gradio_functions.h"
#include "http/gradio_inbox.h"
#include "http/json_body.h"
#include "http/problem.h"
#include "http/request_log.h"
#include "http/search_call.h"
#include "image/decode.h"

namespace pgmmr {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr auto kHeartbeat = std::chrono::seconds(15);
// A client that calls again while its stream is open opens no other one. So the stream stays a
// little after its last result, or a call that crosses close_stream on its way would never be run.
constexpr auto kLinger = std::chrono::milliseconds(500);
constexpr int kMostHeartbeats = 128;  // each holds a connection's thread

class Gradio {
 public:
  Gradio(Service& service, StopSign stopping) : service_(service), stopping_(std::move(stopping)) {}

  Json config(const WebRequest& request) const {
    return gradio_config(request.root(), service_.settings.version);
  }

  WebReply join(const WebRequest& request) {
    const nlohmann::json body = parse_json_object(request.body);
    const auto session = body.find("session_hash");
    if (session == body.end() || !session->is_string()) {
      throw mistake("session_hash", "missing", "a session's name");
    }
    GradioCall call;
    const auto number = body.find("fn_index");
    const bool is_number = number != body.end() && number->is_number_integer();
    call.function = is_number ? number->get<int>() : 0;
    if (!is_gradio_function(call.function)) {
      throw mistake("fn_index", is_number ? std::to_string(call.function) : "missing",
                    "the id of a dependency of /config");
    }
    call.arguments = data_of(body);
    return json_reply(
        to_text({{"event_id", inbox_.add(session->get<std::string>(), std::move(call))}}));
  }

  WebReply events(const WebRequest& request) {
    const std::string session = request.param("session_hash").value_or("");
    WebReply reply = event_stream();
    reply.stream = [this, session, root = request.root()](const SendPiece& send) {
      auto call = inbox_.take(session);
      if (!call) {
        send(frame({{"msg", "unexpected_error"},
                    {"message", "no call waits in this session"},
                    {"session_not_found", true},
                    {"success", false}}));
        return;
      }
      for (; call && !stopping_(); call = inbox_.take(session, kLinger)) {
        const Json id = call->event_id;
        if (!send(frame({{"msg", "estimation"},
                         {"event_id", id},
                         {"rank", 0},
                         {"queue_size", 1},
                         {"rank_eta", nullptr}})) ||
            !send(frame({{"msg", "process_starts"}, {"event_id", id}, {"eta", nullptr}}))) {
          return;
        }
        const Outcome outcome = run(*call, root);
        Json output =
            outcome.failed
                ? Json{{"error", outcome.error}}
                : Json{{"data", outcome.data},        {"is_generating", false},
                       {"duration", outcome.seconds}, {"average_duration", outcome.seconds},
                       {"render_config", nullptr},    {"changed_state_ids", Json::array()}};
        if (!send(frame({{"msg", "process_completed"},
                         {"event_id", id},
                         {"output", std::move(output)},
                         {"success", !outcome.failed}}))) {
          return;
        }
      }
      send(frame({{"msg", "close_stream"}}));
    };
    return reply;
  }

  // A call by name whose result is fetched by a second request.
  WebReply leave(const WebRequest& request, const std::string& name, bool by_name) {
    const nlohmann::json body = parse_json_object(request.body);
    GradioCall call;
    call.function = function_of(name);
    call.arguments = by_name ? gradio_arguments(call.function, body) : data_of(body);
    return json_reply(to_text({{"event_id", inbox_.add_lone(std::move(call))}}));
  }

  WebReply fetch(const WebRequest& request, const std::string& event_id) {
    const auto call = inbox_.take_lone(event_id);
    if (!call) throw Problem(404, "no call of that event_id waits here");
    WebReply reply = event_stream();
    reply.stream = [this, call = *call, root = request.root()](const SendPiece& send) {
      const Outcome outcome = run(call, root);
      send(outcome.failed ? "event: error\ndata: " + to_text({{"error", outcome.error}}) + "\n\n"
                          : "event: complete\ndata: " + to_text(outcome.data) + "\n\n");
    };
    return reply;
  }

  WebReply run_now(const WebRequest& request, const std::string& name) {
    GradioCall call;
    call.function = function_of(name);
    call.arguments = data_of(parse_json_object(request.body));
    const Outcome outcome = run(call, request.root());
    if (outcome.failed) return json_reply(to_text({{"error", outcome.error}}), 500);
    return json_reply(to_text({{"data", outcome.data},
                               {"is_generating", false},
                               {"duration", outcome.seconds},
                               {"average_duration", outcome.seconds}}));
  }

  WebReply upload(const WebRequest& request) {
    Json paths = Json::array();
    for (const auto& [name, part] : request.parts) {
      if (name != "files") continue;
      if (!media_type(part.content).starts_with("image/")) {
        throw Problem(400, "the upload is not a picture");
      }
      std::string file = part.filename.substr(part.filename.find_last_of("/\\") + 1);
      if (file.empty()) file = "blob";
      paths.push_back(inbox_.add_upload(part.content) + "/" + file);
    }
    if (paths.empty()) throw mistake("files", "missing", "a picture in multipart/form-data");
    return json_reply(to_text(paths));
  }

  // What a FileData's path leads to: an upload, or a row's picture. Never a file of this machine.
  WebReply file(const std::string& path) {
    const std::string rest = path.starts_with('/') ? path.substr(1) : path;
    if (const auto bytes = inbox_.upload(rest)) {
      WebReply reply;
      reply.content_type = media_type(*bytes);
      reply.body = *bytes;
      return reply;
    }
    const auto slash = rest.find('/', 8);
    if (!rest.starts_with("picture/") || slash == std::string::npos) {
      throw Problem(404, "no such file");
    }
    WebReply reply;
    reply.status = 307;
    reply.headers.emplace_back("Location",
                               picture_path(rest.substr(8, slash - 8), rest.substr(slash + 1)));
    return reply;
  }

  WebReply heartbeat() {
    WebReply reply = event_stream();
    reply.stream = [this](const SendPiece& send) {
      // Beyond the limit a client is sent away at once, but not so fast that it spins.
      const bool may_stay = ++heartbeats_ <= kMostHeartbeats;
      auto next = Clock::now();
      do {
        if (Clock::now() >= next) {
          if (!send("data: ALIVE\n\n")) break;
          next = Clock::now() + kHeartbeat;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(may_stay ? 200 : 1000));
      } while (may_stay && !stopping_());
      --heartbeats_;
    };
    return reply;
  }

  void cancel(const WebRequest& request) {
    const nlohmann::json body = parse_json_object(request.body);
    const auto event = body.find("event_id");
    if (event != body.end() && event->is_string()) inbox_.drop(event->get<std::string>());
  }

 private:
  struct Outcome {
    Json data;
    bool failed = false;
    std::string error;
    double seconds = 0;
  };

  Outcome run(const GradioCall& call, const std::string& root) {
    Outcome outcome;
    const auto start = Clock::now();
    try {
      outcome.data = call_gradio(
          service_, call.function, call.arguments, root, [this](const std::string& path) {
            return inbox_.upload(path.starts_with('/') ? path.substr(1) : path);
          });
    } catch (...) {
      const Failure failure = failure_of(std::current_exception());
      if (!failure.logged.empty()) log_failure("", failure.logged);
      outcome.failed = true;
      outcome.error = failure.told.what();
    }
    outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return outcome;
  }

  static std::vector<nlohmann::json> data_of(const nlohmann::json& body) {
    const auto data = body.find("data");
    if (data == body.end() || !data->is_array()) throw mistake("data", "missing", "a list");
    return {data->begin(), data->end()};
  }

  static int function_of(const std::string& name) {
    const auto number = gradio_function(name);
    if (!number) throw Problem(404, "no function of that name; /gradio_api/info lists them");
    return *number;
  }

  static std::string frame(const Json& message) { return "data: " + to_text(message) + "\n\n"; }

  static WebReply event_stream() {
    WebReply reply;
    reply.content_type = "text/event-stream";
    reply.headers = {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
    return reply;
  }

  Service& service_;
  const StopSign stopping_;
  GradioInbox inbox_;
  std::atomic<int> heartbeats_ = 0;
};

}  // namespace

void add_gradio_routes(Routes& routes, Service& service, const StopSign& stopping) {
  const auto gradio = std::make_shared<Gradio>(service, stopping);
  const auto reply_json = [](const char* text) {
    return [text](WebRequest&, const PathParts&) { return json_reply(text); };
  };
  routes.add("GET", "/config", Access::kToken, [gradio](WebRequest& request, const PathParts&) {
    return json_reply(to_text(gradio->config(request)));
  });
  // Gradio 4 had no prefix.
  for (const std::string base : {"/gradio_api", ""}) {
    const auto get = [&](const std::string& path, RouteHandler handler) {
      routes.add("GET", base + path, Access::kToken, std::move(handler));
    };
    const auto post = [&](const std::string& path, RouteHandler handler) {
      routes.add("POST", base + path, Access::kToken, std::move(handler));
    };
    get("/info", [](WebRequest&, const PathParts&) { return json_reply(to_text(gradio_info())); });
    get("/app_id", [gradio](WebRequest& request, const PathParts&) {
      return json_reply(to_text({{"app_id", gradio->config(request).at("app_id")}}));
    });
    post("/upload",
         [gradio](WebRequest& request, const PathParts&) { return gradio->upload(request); });
    get("/file={path...}",
        [gradio](WebRequest&, const PathParts& parts) { return gradio->file(parts[0]); });
    get("/file/{path...}",
        [gradio](WebRequest&, const PathParts& parts) { return gradio->file(parts[0]); });
    post("/queue/join",
         [gradio](WebRequest& request, const PathParts&) { return gradio->join(request); });
    get("/queue/data",
        [gradio](WebRequest& request, const PathParts&) { return gradio->events(request); });
    post("/call/v2/{name}", [gradio](WebRequest& request, const PathParts& parts) {
      return gradio->leave(request, parts[0], true);
    });
    get("/call/v2/{name}/{event}", [gradio](WebRequest& request, const PathParts& parts) {
      return gradio->fetch(request, parts[1]);
    });
    post("/call/{name}", [gradio](WebRequest& request, const PathParts& parts) {
      return gradio->leave(request, parts[0], false);
    });
    get("/call/{name}/{event}", [gradio](WebRequest& request, const PathParts& parts) {
      return gradio->fetch(request, parts[1]);
    });
    for (const std::string path : {"/run/{name}", "/api/{name}"}) {
      post(path, [gradio](WebRequest& request, const PathParts& parts) {
        return gradio->run_now(request, parts[0]);
      });
    }
    post("/cancel", [gradio](WebRequest& request, const PathParts&) {
      gradio->cancel(request);
      return json_reply(R"({"success":true})");
    });
    post("/reset", reply_json(R"({"success":true})"));
    get("/heartbeat/{session}",
        [gradio](WebRequest&, const PathParts&) { return gradio->heartbeat(); });
  }
}

}  // namespace pgmmr

// pgmmr serve: the web page and the HTTP service, until Ctrl-C or SIGTERM.
#include <fmt/core.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "app/command.h"
#include "app/model_source.h"
#include "base/error.h"
#include "base/settings.h"
#include "http/request_log.h"
#include "http/service.h"
#include "http/web_server.h"
#include "store/embedded_server.h"
#include "store/schema.h"

namespace pgmmr {
namespace {

constexpr const char* kDefaultListen = "127.0.0.1:7860";

struct Arguments {
  std::string listen = kDefaultListen, token, model;
  std::vector<std::string> hosts, origins;
  int encoders = 0, connections = 0, queue = 256, max_body_mb = 32;
  bool no_urls = false, private_urls = false, quiet = false;
  Precision precision = Precision::kAuto;
};

struct Address {
  std::string host;
  int port = 0;
};

// "HOST:PORT", "[::1]:80", ":80", "80".
Address parse_address(const std::string& text) {
  const auto wrong = [&text] {
    return Error(ErrorKind::kInvalidArgument,
                 "listening on \"" + text + "\": expected HOST:PORT, as in " + kDefaultListen);
  };
  const auto colon = text.rfind(':');
  Address address;
  address.host = colon == std::string::npos ? "" : text.substr(0, colon);
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (code != std::errc() || end != port.data() + port.size() || address.port < 0 ||
      address.port > 65535) {
    throw wrong();
  }
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  } else if (address.host.find(':') != std::string::npos) {
    throw wrong();  // IPv6 without brackets: which colon is the port's?
  }
  if (address.host.empty()) address.host = colon == std::string::npos ? "127.0.0.1" : "0.0.0.0";
  if (address.host == "*") address.host = "0.0.0.0";
  return address;
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// Beside the encoding workers the database needs cores too; on a small machine they take turns.
int default_encoders() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void run(const Arguments& arguments) {
  const std::stop_token stop = interrupted();
  const Address address = parse_address(arguments.listen);
  ServiceSettings settings;
  settings.version = PGMMR_VERSION;
  settings.token =
      arguments.token.empty() ? environment("PGMMR_TOKEN").value_or("") : arguments.token;
  settings.loopback = is_loopback(address.host);
  settings.hosts = arguments.hosts;
  settings.origins = arguments.origins;
  settings.fetches_urls = !arguments.no_urls;
  settings.fetches_private_urls = arguments.private_urls;
  settings.encoders = arguments.encoders > 0 ? arguments.encoders : default_encoders();
  // Two a core: while one's answer is read and written here, another one's backend can work.
  settings.connections = arguments.connections > 0 ? arguments.connections : 2 * default_encoders();
  settings.in_flight = static_cast<std::size_t>(arguments.queue);
  settings.body_bytes = static_cast<std::size_t>(arguments.max_body_mb) << 20;
  settings.model = arguments.model;
  start_log(arguments.quiet);

  const std::string url = database_url();
  {
    Connection connection(url);
    migrate(connection);
  }
  const EncoderOptions encoding{
      .precision = arguments.precision, .threads = default_encoders(), .pack_folder = {}};
  Service service(settings, url, [encoding](const std::string& id, const std::string& revision) {
    return load_model(id, revision, encoding);
  });
  WebServer server(service, address.host, address.port);
  server.start();
  const bool is_v6 = address.host.find(':') != std::string::npos;
  const std::string shown = address.host == "0.0.0.0" || address.host == "::" ? "localhost"
                            : is_v6 ? "[" + address.host + "]"
                                    : address.host;
  if (!settings.loopback && settings.token.empty()) {
    log_event("everybody who reaches this machine can search: listening on " + address.host +
              " without --token");
  }
  // Answering already, so that a health check sees the process; ready once the model is warm.
  service.warm_up(log_event);
  fmt::print("http://{}:{}/\n", shown, server.port());
  std::fflush(stdout);
  log_event(fmt::format("ready: {} collections, {} encoding threads", service.collections()->size(),
                        settings.encoders));

  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, stop, [] { return false; });
  log_event("stopping: finishing the requests under way");
  server.stop();
  log_event("stopped");
}

}  // namespace

void add_serve_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      app.add_subcommand("serve", "Serve the web page and the HTTP API until Ctrl-C");
  command->add_option("--listen", arguments->listen, "HOST:PORT; 0.0.0.0 for other machines too")
      ->envname("PGMMR_LISTEN")
      ->capture_default_str();
  command->add_option("--token", arguments->token,
                      "What a client must bring; better in PGMMR_TOKEN, which ps does not show");
  command->add_option("--model", arguments->model,
                      "For /v1/embeddings; default: the first collection's");
  add_precision_option(*command, arguments->precision);
  command->add_option("--allow-host", arguments->hosts,
                      "Another Host name to answer to when listening on this machine alone");
  command->add_option("--allow-origin", arguments->origins,
                      "Another site whose pages may ask; * for any");
  command->add_option("--threads", arguments->encoders, "That encode; default: one a core")
      ->check(CLI::Range(1, 256));
  command
      ->add_option("--connections", arguments->connections, "To the database; default: two a core")
      ->check(CLI::Range(1, 256));
  command->add_option("--queue", arguments->queue, "Searches under way at once; beyond: 503")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("--max-body", arguments->max_body_mb, "MiB of a request")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_flag("--no-image-urls", arguments->no_urls, "Don't fetch pictures by URL");
  command->add_flag("--allow-private-urls", arguments->private_urls,
                    "Fetch pictures from private addresses too");
  command->add_flag("--quiet", arguments->quiet, "No line for each request");
  command->callback([arguments, &exit_code] {
    (void)exit_code;
    run(*arguments);
  });
}

}  // namespace pgmmr

// pgmmr doctor: checks what the program needs, one line each, and says how to mend it.
#include <fmt/core.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/command.h"
#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "store/connection.h"
#include "store/embedded_server.h"
#include "store/installation.h"
#include "store/server_facts.h"

namespace pgmmr {
namespace {

enum class Mark { kOk, kWarn, kFail };

struct Check {
  std::string name;
  Mark mark = Mark::kOk;
  std::string found, mend;  // mend: what to do about it
};

const char* word(Mark mark) {
  return mark == Mark::kOk ? "ok" : mark == Mark::kWarn ? "warn" : "fail";
}

// "0.8.10" is newer than "0.8.6": by numbers, not by letters.
std::array<int, 3> numbers(const std::string& version) {
  std::array<int, 3> parts{};
  std::sscanf(version.c_str(), "%d.%d.%d", &parts[0], &parts[1], &parts[2]);
  return parts;
}

bool older(const std::string& version, const std::string& than) {
  return numbers(version) < numbers(than);
}

Check check_cpu() {
  Check check{"CPU", Mark::kOk, "", ""};
  const auto cores = std::max(1u, std::thread::hardware_concurrency());
#if defined(__x86_64__)
  __builtin_cpu_init();
  std::string best = __builtin_cpu_supports("avx512bf16") ? "AVX-512 with bf16"
                     : __builtin_cpu_supports("avx512f")  ? "AVX-512"
                     : __builtin_cpu_supports("avx2")     ? "AVX2"
                                                          : "SSE";
  check.found = fmt::format("{} cores, {}", cores, best);
  if (best == "SSE") {
    check.mark = Mark::kWarn;
    check.mend = "embedding works, several times slower than with AVX2 (2013 and later)";
  }
#elif defined(__aarch64__)
  check.found = fmt::format("{} cores, NEON", cores);
#else
  check.found = fmt::format("{} cores", cores);
#endif
  return check;
}

// Available to this process: the machine's, or what is left of the container's limit.
std::uint64_t available_memory() {
  std::uint64_t available = 0;
  std::ifstream meminfo("/proc/meminfo");
  for (std::string line; std::getline(meminfo, line);) {
    if (line.starts_with("MemAvailable:")) available = std::strtoull(&line[13], nullptr, 10) * 1024;
  }
  const auto number = [](const char* path) {
    std::ifstream in(path);
    std::uint64_t value = 0;
    return in >> value ? value : UINT64_MAX;  // "max" where there is no limit
  };
  const auto limit = number("/sys/fs/cgroup/memory.max");
  const auto used = number("/sys/fs/cgroup/memory.current");
  if (limit != UINT64_MAX && used != UINT64_MAX) {
    available = std::min(available, limit - std::min(limit, used));
  }
  return available;
}

Check check_memory() {
  const double gb = static_cast<double>(available_memory()) / 1e9;
  Check check{"memory", Mark::kOk, fmt::format("{:.1f} GB available", gb), ""};
  // ViT-B/32 in float32 is 0.6 GB of weights; a batch, the decoder and PostgreSQL come on top.
  if (gb < 0.5) {
    check.mark = Mark::kFail;
    check.mend = "free some: even the small models need half a GB";
  } else if (gb < 2) {
    check.mark = Mark::kWarn;
    check.mend = "models of ViT-B size want 2 GB; the demo model does with less";
  }
  return check;
}

bool remote_database() { return environment("PGMMR_DATABASE_URL").has_value(); }

Check check_postgres() {
  Check check{"PostgreSQL", Mark::kOk, "", ""};
  try {
    const Installation one = choose_installation();
    check.found = fmt::format("{} in {}", one.version, one.bin.string());
  } catch (const Error& error) {
    const auto all = find_installations();
    check.found = all.empty() ? "not installed"
                              : fmt::format("{} in {}, unfit", all[0].version, all[0].bin.string());
    check.mark = remote_database() ? Mark::kOk : Mark::kFail;
    check.mend = remote_database()
                     ? "not needed while PGMMR_DATABASE_URL names a server"
                     : "apt-get install postgresql (15 or newer) with pgvector, or ./run deps, or "
                       "set PGMMR_DATABASE_URL";
  }
  return check;
}

void judge_pgvector(const std::string& version, Check& check) {
  check.found = version.empty() ? "missing" : version;
  if (version.empty() || older(version, "0.8")) {
    check.mark = Mark::kFail;
    check.mend =
        "0.8 or newer is needed: install postgresql-NN-pgvector of your distribution or "
        "of apt.postgresql.org, or ./run deps";
  } else if (older(version, "0.8.2")) {
    check.mark = Mark::kWarn;
    check.mend =
        "CVE-2026-3172 in parallel HNSW builds: indexes are built by one process; install "
        "0.8.6 or newer";
  } else if (older(version, "0.8.6")) {
    check.mark = Mark::kWarn;
    check.mend = "works; 0.8.6 or newer is recommended";
  }
}

Check check_pgvector() {
  Check check{"pgvector", Mark::kOk, "", ""};
  if (remote_database()) {
    try {
      Connection connection(*environment("PGMMR_DATABASE_URL"));
      judge_pgvector(ask_server(connection).pgvector_version, check);
    } catch (const Error&) {
      check = {"pgvector", Mark::kFail, "unknown", "mend the server's connection first"};
    }
    return check;
  }
  try {
    judge_pgvector(choose_installation().pgvector_version, check);
  } catch (const Error&) {
    judge_pgvector("", check);
  }
  return check;
}

Check check_server() {
  Check check{"server", Mark::kOk, "", ""};
  try {
    if (const auto url = environment("PGMMR_DATABASE_URL")) {
      Connection connection(*url);
      const ServerFacts facts = ask_server(connection);
      check.found = fmt::format("PostgreSQL {}, database {}, user {}", facts.version,
                                facts.database, facts.user);
      if (!facts.may_create) {
        check.mark = Mark::kFail;
        check.mend = fmt::format("GRANT CREATE ON DATABASE {} TO {}", facts.database, facts.user);
      }
      return check;
    }
    const ServerStatus status = EmbeddedServer().status();
    check.found = status.running ? fmt::format("embedded, running (pid {}) in {}", status.pid,
                                               status.directory.string())
                                 : "embedded, not running: commands start it when they need it";
  } catch (const Error& error) {
    check.mark = Mark::kFail;
    check.found = error.what();
    check.mend = remote_database() ? "see that PGMMR_DATABASE_URL names a server that answers"
                                   : "see server.log in its folder, or set PGMMR_DATABASE_URL";
  }
  return check;
}

// Writable, or to be made where its nearest existing parent is.
bool can_write(std::filesystem::path folder, std::filesystem::path& nearest) {
  std::error_code code;
  folder = std::filesystem::absolute(folder, code);
  while (!std::filesystem::exists(folder, code) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  nearest = folder;
  return std::filesystem::is_directory(folder, code) && access(folder.c_str(), W_OK | X_OK) == 0;
}

Check check_folder(const std::string& name, const std::function<std::filesystem::path()>& where,
                   const std::string& setting, double wanted_gb, Mark when_unwritable) {
  Check check{name, Mark::kOk, "", ""};
  try {
    const auto folder = where();
    std::filesystem::path nearest;
    check.found = folder.string();
    if (!can_write(folder, nearest)) {
      check.mark = when_unwritable;
      check.found += ": " + nearest.string() + " cannot be written";
      check.mend = "set " + setting + " to a folder that can";
      return check;
    }
    struct statvfs disk {};
    if (statvfs(nearest.c_str(), &disk) == 0) {
      const double gb =
          static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize) / 1e9;
      check.found += fmt::format(", {:.1f} GB free", gb);
      if (gb < wanted_gb) {
        check.mark = Mark::kWarn;
        check.mend = fmt::format("free some, or set {} to a larger disk", setting);
      }
    }
  } catch (const Error& error) {
    check.mark = Mark::kFail;
    check.found = error.what();
    check.mend = "set " + setting;
  }
  return check;
}

std::filesystem::path model_cache() { return HubSettings::from_environment().cache; }

Check check_hub() {
  Check check{"hub", Mark::kOk, "", ""};
  try {
    const HubSettings settings = HubSettings::from_environment();
    const std::string endpoint = printable_url(settings.endpoint);
    const std::string token = settings.token.empty() ? ", no token" : ", with a token";
    if (settings.offline) {
      check.found = "not asked: HF_HUB_OFFLINE is set";
      return check;
    }
    HttpRequest request;
    request.method = "HEAD";
    request.url = settings.endpoint + "/api/models/openai/clip-vit-base-patch32";
    request.connect_timeout_s = request.idle_timeout_s = request.total_timeout_s = 5;
    request.redirects = 3;
    request.keep_going = [stop = interrupted()] { return !stop.stop_requested(); };
    const HttpAnswer answer = http_request(request);
    if (answer.stopped) throw Error(ErrorKind::kCancelled, "stopped");
    if (answer.status > 0 && answer.status < 500 && answer.problem.empty()) {
      check.found = endpoint + " answers" + token;
      return check;
    }
    check.found =
        endpoint + ": " +
        (answer.problem.empty() ? fmt::format("it answers {}", answer.status) : answer.problem);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kCancelled) throw;
    check.found = error.what();
  }
  check.mark = Mark::kWarn;
  check.mend =
      "models in the cache, folders and \"demo\" work; HF_ENDPOINT names a mirror, "
      "https_proxy a proxy";
  return check;
}

Check check_default_model() {
  const std::string model = default_model();
  Check check{"default model", Mark::kOk, model, ""};
  std::error_code code;
  if (model == "demo" || std::filesystem::is_directory(model, code)) return check;
  try {
    HubSettings settings = HubSettings::from_environment();
    settings.offline = true;  // only what is there: doctor downloads nothing
    Hub hub(settings);
    check.found += ", in the cache: " + fetch_model(hub, model).revision.substr(0, 8);
  } catch (const Error&) {
    check.mark = Mark::kWarn;
    check.found += ", not in the cache";
    check.mend = "it is downloaded when first used; pgmmr model pull " + model + " does it now";
  }
  return check;
}

Check check_demo_model() {
  Check check{"demo model", Mark::kOk, "", ""};
  try {
    const auto folder = resource_dir() / "models/demo";
    check.found = folder.string();
    for (const char* file : {"config.json", "model.safetensors"}) {
      if (std::filesystem::exists(folder / file)) continue;
      check.mark = Mark::kFail;
      check.found += fmt::format(": {} is missing", file);
      check.mend = "fetch the program's files again";
    }
  } catch (const Error& error) {
    check = {"demo model", Mark::kFail, error.what(), ""};
  }
  return check;
}

std::string first_line_of(const std::string& command) {
  struct Closer {
    void operator()(FILE* file) const noexcept { pclose(file); }
  };
  const std::unique_ptr<FILE, Closer> pipe(popen(command.c_str(), "r"));
  std::array<char, 512> line{};
  if (!pipe || std::fgets(line.data(), line.size(), pipe.get()) == nullptr) return "";
  const std::string text = line.data();
  return text.substr(0, text.find('\n'));
}

Check check_fonts() {
  Check check{"fonts", Mark::kOk, "", ""};
  const std::string any = first_line_of("fc-list : family 2>/dev/null");
  const std::string chinese = first_line_of("fc-list :lang=zh family 2>/dev/null");
  if (any.empty()) {
    check.mark = Mark::kWarn;
    check.found = "none found";
    check.mend =
        "contact sheets lack their captions: apt-get install fontconfig fonts-dejavu-core "
        "fonts-noto-cjk";
  } else if (chinese.empty()) {
    check.mark = Mark::kWarn;
    check.found = "none for Chinese, Japanese and Korean";
    check.mend = "their captions show as boxes on contact sheets: apt-get install fonts-noto-cjk";
  } else {
    check.found = "Latin, and Chinese by " + chinese.substr(0, chinese.find(','));
  }
  return check;
}

void print_line(const Check& check) {
  const bool colour = isatty(STDOUT_FILENO) != 0 && !environment("NO_COLOR");
  const char* paint = check.mark == Mark::kOk ? "32" : check.mark == Mark::kWarn ? "33" : "31";
  const std::string mark = fmt::format("{:<4}", word(check.mark));
  fmt::print("{}  {:<13}  {}{}\n", colour ? fmt::format("\x1b[{}m{}\x1b[0m", paint, mark) : mark,
             check.name, check.found, check.mend.empty() ? "" : " - " + check.mend);
  std::fflush(stdout);
}

}  // namespace

void add_doctor_command(CLI::App& app, int& exit_code) {
  CLI::App* doctor =
      app.add_subcommand("doctor", "Check what the program needs, and say how to mend it");
  const auto format = std::make_shared<std::string>("table");
  doctor->add_option("--format", *format, "table or json")->check(CLI::IsMember({"table", "json"}));
  doctor->callback([format, &exit_code] {
    const std::vector<std::function<Check()>> checks{
        check_cpu,
        check_memory,
        check_postgres,
        check_server,
        check_pgvector,
        [] { return check_folder("data folder", data_dir, "PGMMR_DATA_DIR", 2, Mark::kFail); },
        [] { return check_folder("model cache", model_cache, "HF_HOME", 2, Mark::kWarn); },
        check_hub,
        check_default_model,
        check_demo_model,
        check_fonts};
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    bool well = true;
    for (const auto& run : checks) {
      const Check check = run();
      well &= check.mark != Mark::kFail;
      if (*format == "json") {
        list.push_back({{"check", check.name},
                        {"status", word(check.mark)},
                        {"found", check.found},
                        {"mend", check.mend}});
      } else {
        print_line(check);
      }
    }
    if (*format == "json") {
      const nlohmann::ordered_json report{{"ok", well}, {"checks", std::move(list)}};
      fmt::print("{}\n",
                 report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    }
    if (!well) exit_code = kExitFailed;
  });
}

}  // namespace pgmmr

#include "support/hub_server.h"

#include <httplib.h>
#include <openssl/evp.h>

#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <thread>

namespace pgmmr::test {
namespace {

std::string digest(const EVP_MD* method, const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, method, nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[out[i] >> 4];
    hex += "0123456789abcdef"[out[i] & 15];
  }
  return hex;
}

std::string read_whole(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string unquote(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      plain += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// The target's path in segments, each unquoted: a quoted slash stays inside its segment.
std::vector<std::string> segments(const std::string& target) {
  std::vector<std::string> found;
  std::istringstream in(target.substr(0, target.find('?')));
  for (std::string one; std::getline(in, one, '/');) {
    if (!one.empty()) found.push_back(unquote(one));
  }
  return found;
}

std::string join(const std::vector<std::string>& parts, std::size_t from) {
  std::string path;
  for (std::size_t i = from; i < parts.size(); ++i) path += (path.empty() ? "" : "/") + parts[i];
  return path;
}

std::string query(const std::string& target, const std::string& name) {
  const auto at = target.find(name + "=");
  if (at == std::string::npos) return "";
  return unquote(target.substr(at + name.size() + 1, target.find('&', at) - at - name.size() - 1));
}

struct File {
  std::filesystem::path source;
  std::size_t size = 0;
  std::string git_sha1, sha256;
  bool large = false;
};

struct Repo {
  std::map<std::string, std::map<std::string, File>> commits;  // by commit, then path
  std::map<std::string, std::string> revisions;                // name to commit
  std::string token;
  bool gated = false;
  std::string discussions;
};

}  // namespace

struct HubServer::State {
  httplib::Server hub, storage;
  int hub_port = 0, storage_port = 0;
  std::thread hub_thread, storage_thread;

  mutable std::mutex mutex;
  std::map<std::string, Repo> repos;                   // by "models/owner/name"; guarded by mutex
  std::map<std::string, std::string> moved;            // guarded by mutex
  std::map<std::string, std::filesystem::path> blobs;  // by SHA-256; guarded by mutex
  std::map<std::string, std::string> files;            // guarded by mutex
  std::vector<Fault> faults;                           // guarded by mutex
  std::vector<ServedRequest> requests;                 // guarded by mutex
  std::size_t page_size = 1000;                        // guarded by mutex

  std::optional<Fault> note(const httplib::Request& request, bool at_storage) {
    std::lock_guard lock(mutex);
    requests.push_back({request.method, request.target, request.get_header_value("Authorization"),
                        request.get_header_value("Range"), at_storage});
    for (auto& fault : faults) {
      std::string part = fault.target;
      if (part.starts_with("storage:")) {
        if (!at_storage) continue;
        part = part.substr(8);
      }
      if (fault.times == 0 || (!fault.method.empty() && fault.method != request.method) ||
          request.target.find(part) == std::string::npos) {
        continue;
      }
      if (fault.times > 0) --fault.times;
      return fault;
    }
    return std::nullopt;
  }

  void refuse(httplib::Response& response, int status, const std::string& code,
              const std::string& message) const {
    response.status = status;
    if (!code.empty()) response.set_header("X-Error-Code", code);
    response.set_header("X-Error-Message", message);
    response.set_content(nlohmann::json{{"error", message}}.dump(), "application/json");
  }

  // Ranges are answered here, so that a fault can ignore them and every httplib version agrees.
  void send(const httplib::Request& request, httplib::Response& response, std::string body,
            const std::string& etag, const Fault& fault) {
    if (fault.spoil && !body.empty()) body[body.size() / 2] ^= 1;
    response.set_header("ETag", '"' + etag + '"');
    response.set_header("Accept-Ranges", "bytes");
    response.status = 200;
    const std::string range = request.get_header_value("Range");
    if (!range.empty() && !fault.ignore_range) {
      const std::size_t from = std::stoull(range.substr(range.find('=') + 1));
      if (from >= body.size()) {
        response.set_header("Content-Range", "bytes */" + std::to_string(body.size()));
        response.status = 416;
        return;
      }
      response.set_header("Content-Range", "bytes " + std::to_string(from) + "-" +
                                               std::to_string(body.size() - 1) + "/" +
                                               std::to_string(body.size()));
      response.status = 206;
      body.erase(0, from);
    }
    const_cast<httplib::Request&>(request).ranges.clear();
    if (fault.cut_after == 0 || fault.cut_after >= body.size() || request.method == "HEAD") {
      response.set_content(body, "application/octet-stream");
      return;
    }
    const std::size_t size = body.size(), cut = fault.cut_after;
    response.set_content_provider(
        size, "application/octet-stream",
        [body = std::move(body), cut](std::size_t offset, std::size_t, httplib::DataSink& sink) {
          if (offset >= cut) return false;
          sink.write(body.data() + offset, cut - offset);
          return true;
        });
  }

  void answer_storage(const httplib::Request& request, httplib::Response& response) {
    const Fault fault = note(request, true).value_or(Fault{});
    if (fault.status != 0) return answer_fault(fault, response);
    // As signed addresses do: two ways to identify oneself are one too many.
    if (request.has_header("Authorization")) return refuse(response, 400, "", "two credentials");
    std::filesystem::path source;
    const auto parts = segments(request.target);
    {
      std::lock_guard lock(mutex);
      const auto found = blobs.find(parts.empty() ? "" : parts.back());
      if (found == blobs.end()) return refuse(response, 404, "", "no such blob");
      source = found->second;
    }
    send(request, response, read_whole(source), parts.back(), fault);
  }

  void answer_fault(const Fault& fault, httplib::Response& response) {
    response.status = fault.status;
    for (const auto& [name, value] : fault.headers) response.set_header(name.c_str(), value);
  }

  void answer_hub(const httplib::Request& request, httplib::Response& response) {
    const Fault fault = note(request, false).value_or(Fault{});
    if (fault.status != 0) return answer_fault(fault, response);
    std::lock_guard lock(mutex);
    const auto path = request.target.substr(0, request.target.find('?'));
    if (const auto found = files.find(path); found != files.end()) {
      const std::string etag = digest(EVP_sha1(), found->second);
      if (request.get_header_value("If-None-Match") == '"' + etag + '"') {
        response.status = 304;
        return;
      }
      return send(request, response, found->second, etag, fault);
    }
    auto parts = segments(request.target);
    const bool api = !parts.empty() && parts[0] == "api";
    if (api) parts.erase(parts.begin());
    std::string kind = "models";
    if (!parts.empty() && (parts[0] == "datasets" || parts[0] == "models")) {
      kind = parts[0];
      parts.erase(parts.begin());
    }
    // OWNER/NAME/action/…, or NAME/action/… for the few repositories without an owner.
    std::size_t action = 1;
    while (action < parts.size() && parts[action] != "resolve" && parts[action] != "revision" &&
           parts[action] != "tree" && parts[action] != "discussions" && action < 2) {
      ++action;
    }
    if (action >= parts.size()) return refuse(response, 404, "RepoNotFound", "Not Found");
    const std::string name = action == 1 ? parts[0] : parts[0] + "/" + parts[1];
    if (const auto to = moved.find(name); to != moved.end()) {
      std::string target = request.target;
      target.replace(target.find(name), name.size(), to->second);
      response.status = 307;
      response.set_header("Location", target);
      return;
    }
    const auto found = repos.find(kind + "/" + name);
    if (found == repos.end()) return refuse(response, 401, "RepoNotFound", "Repository not found");
    const Repo& repo = found->second;
    const std::string authorization = request.get_header_value("Authorization");
    if (!repo.token.empty() && authorization != "Bearer " + repo.token) {
      if (!repo.gated) return refuse(response, 401, "RepoNotFound", "Repository not found");
      return refuse(response, authorization.empty() ? 401 : 403, "GatedRepo",
                    "Access to model " + name + " is restricted.");
    }
    if (parts[action] == "discussions") {
      response.set_content(
          repo.discussions.empty() ? R"({"discussions":[],"count":0,"start":0})" : repo.discussions,
          "application/json");
      return;
    }
    const std::string revision = action + 1 < parts.size() ? parts[action + 1] : "main";
    const auto named = repo.revisions.find(revision);
    const auto commit = repo.commits.find(named == repo.revisions.end() ? revision : named->second);
    if (commit == repo.commits.end()) {
      return refuse(response, 404, "RevisionNotFound", "Invalid rev id: " + revision);
    }
    const std::string rest = join(parts, action + 2);
    if (parts[action] == "revision") {
      response.set_content(nlohmann::json{{"id", name}, {"sha", commit->first}}.dump(),
                           "application/json");
    } else if (parts[action] == "tree") {
      list(request, response, commit->second, rest);
    } else {
      resolve(request, response, fault, commit->first, commit->second, rest);
    }
  }

  void resolve(const httplib::Request& request, httplib::Response& response, const Fault& fault,
               const std::string& commit, const std::map<std::string, File>& tree,
               const std::string& path) {
    response.set_header("X-Repo-Commit", commit);
    const auto found = tree.find(path);
    if (found == tree.end()) return refuse(response, 404, "EntryNotFound", "Entry not found");
    const File& file = found->second;
    if (file.large) {
      response.set_header("X-Linked-Etag", '"' + file.sha256 + '"');
      response.set_header("X-Linked-Size", std::to_string(file.size));
      response.status = 302;
      response.set_header("Location", "http://localhost:" + std::to_string(storage_port) +
                                          "/blobs/" + file.sha256 + "?signature=secret");
      response.set_content("Found. Redirecting", "text/plain");
      return;
    }
    send(request, response, read_whole(file.source), file.git_sha1, fault);
  }

  void list(const httplib::Request& request, httplib::Response& response,
            const std::map<std::string, File>& tree, const std::string& below) {
    std::vector<nlohmann::json> entries;
    std::string folder;
    for (const auto& [path, file] : tree) {
      if (!below.empty() && !path.starts_with(below + "/")) continue;
      const auto slash = path.rfind('/');
      if (slash != std::string::npos && path.substr(0, slash) != folder) {
        folder = path.substr(0, slash);
        entries.push_back({{"type", "directory"}, {"path", folder}, {"oid", ""}, {"size", 0}});
      }
      nlohmann::json entry{
          {"type", "file"}, {"path", path}, {"size", file.size}, {"oid", file.git_sha1}};
      if (file.large) entry["lfs"] = {{"oid", file.sha256}, {"size", file.size}};
      entries.push_back(std::move(entry));
    }
    if (entries.empty() && !below.empty()) {
      return refuse(response, 404, "EntryNotFound", below + " does not exist");
    }
    const std::string cursor = query(request.target, "cursor");
    const std::size_t from = cursor.empty() ? 0 : std::stoull(cursor);
    const std::size_t to = std::min(entries.size(), from + page_size);
    nlohmann::json page = nlohmann::json::array();
    for (std::size_t i = from; i < to; ++i) page.push_back(entries[i]);
    if (to < entries.size()) {
      response.set_header("Link", "<http://127.0.0.1:" + std::to_string(hub_port) +
                                      request.target.substr(0, request.target.find('?')) +
                                      "?recursive=true&cursor=" + std::to_string(to) +
                                      ">; rel=\"next\"");
    }
    response.set_content(page.dump(), "application/json");
  }
};

HubServer::HubServer() : state_(std::make_unique<State>()) {
  State& state = *state_;
  for (httplib::Server* server : {&state.hub, &state.storage}) {
    server->set_keep_alive_max_count(1);  // else stopping waits for idle connections
    server->set_tcp_nodelay(true);
    server->new_task_queue = [] { return new httplib::ThreadPool(4); };
  }
  state.hub.Get(".*",
                [&](const auto& request, auto& response) { state.answer_hub(request, response); });
  state.storage.Get(
      ".*", [&](const auto& request, auto& response) { state.answer_storage(request, response); });
  state.hub_port = state.hub.bind_to_any_port("127.0.0.1");
  state.storage_port = state.storage.bind_to_any_port("127.0.0.1");
  state.hub_thread = std::thread([&] { state.hub.listen_after_bind(); });
  state.storage_thread = std::thread([&] { state.storage.listen_after_bind(); });
  while (!state.hub.is_running() || !state.storage.is_running()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

HubServer::~HubServer() {
  state_->hub.stop();
  state_->storage.stop();
  state_->hub_thread.join();
  state_->storage_thread.join();
}

std::string HubServer::url() const {
  return "http://127.0.0.1:" + std::to_string(state_->hub_port);
}

std::string HubServer::serve(const std::string& kind, const std::string& repo,
                             const std::filesystem::path& folder, const std::string& revision) {
  std::map<std::string, File> tree;
  std::map<std::string, std::filesystem::path> blobs;
  std::string all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string bytes = read_whole(entry.path());
    const std::string path = entry.path().lexically_relative(folder).generic_string();
    File file{entry.path(), bytes.size(), "", digest(EVP_sha256(), bytes), false};
    file.git_sha1 = digest(EVP_sha1(), "blob " + std::to_string(bytes.size()) + '\0' + bytes);
    for (const char* end : {".safetensors", ".parquet", ".bin", ".png", ".jpg", ".tar", ".zip"}) {
      file.large |= path.ends_with(end);
    }
    blobs[file.sha256] = file.source;
    tree.emplace(path, std::move(file));
  }
  for (const auto& [path, file] : tree) all += path + '\n' + file.sha256 + '\n';
  const std::string commit = digest(EVP_sha1(), repo + '\n' + all);
  std::lock_guard lock(state_->mutex);
  Repo& served = state_->repos[kind + "/" + repo];
  served.commits[commit] = std::move(tree);
  served.revisions[revision] = commit;
  state_->blobs.merge(blobs);
  return commit;
}

void HubServer::serve_file(const std::string& path, const std::string& bytes) {
  std::lock_guard lock(state_->mutex);
  state_->files[path] = bytes;
}

void HubServer::make_private(const std::string& repo, const std::string& token) {
  std::lock_guard lock(state_->mutex);
  for (auto& [name, one] : state_->repos) {
    if (name.ends_with("/" + repo)) one.token = token;
  }
}

void HubServer::gate(const std::string& repo, const std::string& token) {
  make_private(repo, token);
  std::lock_guard lock(state_->mutex);
  for (auto& [name, one] : state_->repos) {
    if (name.ends_with("/" + repo)) one.gated = true;
  }
}

void HubServer::rename(const std::string& repo, const std::string& new_name) {
  std::lock_guard lock(state_->mutex);
  state_->moved[repo] = new_name;
  for (const char* kind : {"models/", "datasets/"}) {
    auto node = state_->repos.extract(kind + repo);
    if (node.empty()) continue;
    node.key() = kind + new_name;
    state_->repos.insert(std::move(node));
  }
}

void HubServer::set_discussions(const std::string& repo, const std::string& json) {
  std::lock_guard lock(state_->mutex);
  state_->repos["models/" + repo].discussions = json;
}

void HubServer::set_page_size(int entries) {
  std::lock_guard lock(state_->mutex);
  state_->page_size = static_cast<std::size_t>(entries);
}

void HubServer::add(Fault fault) {
  std::lock_guard lock(state_->mutex);
  state_->faults.push_back(std::move(fault));
}

std::vector<ServedRequest> HubServer::requests() const {
  std::lock_guard lock(state_->mutex);
  return state_->requests;
}

int HubServer::count(const std::string& method, const std::string& part_of_target) const {
  int found = 0;
  for (const auto& request : requests()) {
    found += (method.empty() || request.method == method) &&
             request.target.find(part_of_target) != std::string::npos;
  }
  return found;
}

void HubServer::forget_requests() {
  std::lock_guard lock(state_->mutex);
  state_->requests.clear();
}

}  // namespace pgmmr::test

// What the hub says of a repository: the commit of a revision, its files, its pull requests.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "hub/cache.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/hub_place.h"
#include "hub/tree.h"

namespace pgmmr {

std::string Hub::api(const Place& place, const std::string& url, std::string* next) {
  HttpRequest request;
  request.url = url;
  // A page's address comes from the server: the token goes to the hub alone.
  if (url_host(url) == url_host(settings_.endpoint)) request.token = settings_.token;
  request.redirects = kRedirects;
  request.total_timeout_s = kPatientTimeoutS;
  const HttpAnswer answer = ask(request, kRetries, "");
  if (!answer.ok()) refuse(place, answer);
  if (next != nullptr) *next = next_page(answer.header("link"));
  return answer.body;
}

std::string Hub::commit(RepoKind kind, const std::string& repo, const std::string& revision) {
  const Place place{kind, repo, "", revision, "looking up"};
  check_repo_name(repo);
  check_revision(revision);
  if (is_commit(revision)) return revision;
  const RepoCache cache(settings_.cache, kind, repo);
  const auto known = cache.commit_of(revision);
  if (offline()) {
    if (known) return *known;
    refuse_offline(place);
  }
  HttpRequest request;
  request.url = fmt::format("{}/api/{}s/{}/revision/{}", settings_.endpoint, kind_word(kind), repo,
                            url_quote(revision, false));
  request.token = settings_.token;
  request.redirects = kRedirects;
  request.total_timeout_s = known ? settings_.etag_timeout_s : kPatientTimeoutS;
  const HttpAnswer answer = ask(request, known ? 0 : kRetries, "");
  if (!answer.ok()) {
    if (!known || !answer.header("x-error-code").empty()) refuse(place, answer);
    if (!answer.problem.empty()) unreachable_ = true;
    return *known;
  }
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  if (!json.is_object() || !json.contains("sha") || !json["sha"].is_string() ||
      !is_commit(json["sha"].get<std::string>())) {
    throw Error(ErrorKind::kCorrupt, place.name() + ": the hub's answer names no commit");
  }
  const std::string commit = json["sha"].get<std::string>();
  cache.note_commit(revision, commit);
  return commit;
}

std::vector<HubFile> Hub::list(RepoKind kind, const std::string& repo, const std::string& revision,
                               const std::string& below) {
  const Place place{kind, repo, "", revision, "listing"};
  if (!below.empty()) check_file_name(below);
  const std::string commit = this->commit(kind, repo, revision);
  const RepoCache cache(settings_.cache, kind, repo);

  std::vector<TreeEntry> entries;
  std::error_code code;
  bool known = false;
  if (std::filesystem::exists(cache.tree(commit), code)) {
    try {
      entries = tree_from_json(read_file(cache.tree(commit)));
      known = true;
    } catch (const Error&) {  // another format, or damaged: asked anew
    }
  }
  if (!known) {
    if (offline()) {
      refuse_offline(place);
    }
    std::string url =
        fmt::format("{}/api/{}s/{}/tree/{}", settings_.endpoint, kind_word(kind), repo, commit);
    if (!below.empty()) url += "/" + url_quote(below, false);
    url += "?recursive=true&expand=false";
    std::set<std::string> asked;
    while (!url.empty()) {
      if (!asked.insert(url).second) {
        throw Error(ErrorKind::kCorrupt, place.name() + ": the hub's pages go round in a circle");
      }
      std::string next;
      parse_tree_page(api(place, url, &next), entries);
      // Behind a mirror the pages still name the hub itself.
      constexpr std::string_view kHub = "https://huggingface.co/";
      if (next.starts_with(kHub)) next.replace(0, kHub.size() - 1, settings_.endpoint);
      url = next;
    }
    if (below.empty()) cache.note_tree(commit, tree_to_json(entries));
  }
  std::vector<HubFile> files;
  for (const auto& entry : entries) {
    if (below.empty() || entry.path.starts_with(below + "/")) files.push_back(to_hub_file(entry));
  }
  std::sort(files.begin(), files.end(),
            [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
  return files;
}

std::vector<std::string> Hub::pull_requests(const std::string& repo, const std::string& author,
                                            const std::string& title) {
  const Place place{RepoKind::kModel, repo, "", "main", "looking for pull requests of"};
  check_repo_name(repo);
  std::vector<std::string> found;
  if (offline()) return found;
  const auto lower = [](std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  };
  std::size_t seen = 0;
  for (int page = 0; page < 10; ++page) {
    const auto json = nlohmann::json::parse(
        api(place,
            fmt::format("{}/api/models/{}/discussions?p={}&type=pull_request&status=open&author={}",
                        settings_.endpoint, repo, page, url_quote(author, false)),
            nullptr),
        nullptr, false);
    if (!json.is_object() || !json.contains("discussions") || !json["discussions"].is_array()) {
      throw Error(ErrorKind::kCorrupt, place.name() + ": the hub's answer is no list of them");
    }
    const auto& items = json["discussions"];
    for (const auto& item : items) {
      try {
        if (lower(item.at("author").at("name").get<std::string>()) == lower(author) &&
            item.at("title") == title && item.at("status") == "open" &&
            item.at("isPullRequest") == true) {
          found.push_back("refs/pr/" + std::to_string(item.at("num").get<unsigned>()));
        }
      } catch (const nlohmann::json::exception&) {  // an author that is gone has no name
      }
    }
    seen += items.size();
    if (items.empty() || !json.contains("count") || !json["count"].is_number_unsigned() ||
        seen >= json["count"].get<std::size_t>()) {
      break;
    }
  }
  return found;
}

}  // namespace pgmmr

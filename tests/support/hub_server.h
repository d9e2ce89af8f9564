// A small Hugging Face hub for tests: folders served as repositories over HTTP, on two hosts as the
// real one does it (the hub itself on 127.0.0.1, storage of large files on localhost), and faults
// on demand.
//
// Speaks what huggingface_hub asks for: /resolve/ with its headers, redirects and error codes,
// /api/…/revision/, /api/…/tree/ with pages, /api/…/discussions, and plain files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace pgmmr::test {

struct ServedRequest {
  std::string method;
  std::string target;  // as it was sent, still quoted
  std::string authorization, range;
  bool storage = false;  // asked of the storage host
};

// What happens to the next requests that match.
struct Fault {
  std::string method;  // empty for any
  std::string target;  // a part of the target; "storage:" before it for the storage host only
  int times = 1;       // -1 for always
  int status = 0;      // answers with this status and nothing else
  std::map<std::string, std::string> headers = {};  // of that answer
  std::size_t cut_after = 0;  // sends so many bytes of the body, then closes the connection
  bool ignore_range = false;  // answers 200 with the whole
  bool spoil = false;         // flips a bit of the body
};

class HubServer {
 public:
  HubServer();
  ~HubServer();
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;

  std::string url() const;  // for HF_ENDPOINT

  // Serves a folder's files, read when they are asked for, as a revision of a repository.
  //   kind     "models" or "datasets"
  //   returns  the commit, which follows from the files' names and contents
  std::string serve(const std::string& kind, const std::string& repo,
                    const std::filesystem::path& folder, const std::string& revision = "main");

  void serve_file(const std::string& path, const std::string& bytes);  // GET url() + path

  void make_private(const std::string& repo, const std::string& token);
  void gate(const std::string& repo, const std::string& token);
  void rename(const std::string& repo, const std::string& new_name);
  void set_discussions(const std::string& repo, const std::string& json);
  void set_page_size(int entries);  // of /tree/ (1000)

  void add(Fault fault);
  std::vector<ServedRequest> requests() const;
  int count(const std::string& method, const std::string& part_of_target) const;
  void forget_requests();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pgmmr::test

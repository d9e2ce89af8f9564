// The functions that Gradio's clients can call, as they describe themselves and as they run.
//
// /gradio_interface(query, num_results) is the one of the Python project this one follows; /search
// and /search_image say all that a search can. Shapes: gradio 6 client/js/src/types.ts,
// client/python/gradio_client/client.py, gradio/data_classes.py.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "http/service.h"

namespace pgmmr {

// A picture that a client uploaded before it calls: bytes by the path it was given.
using UploadedBytes = std::function<std::optional<std::string>(const std::string& path)>;

// GET /config and GET …/info. root: the server's address as the client sees it.
nlohmann::ordered_json gradio_config(const std::string& root, const std::string& version);
nlohmann::ordered_json gradio_info();

// The function of that name, without its slash, or of that number; nothing for another.
std::optional<int> gradio_function(const std::string& name);
bool is_gradio_function(int id);

// Named parameters in the order the function takes them; those missing get their defaults.
std::vector<nlohmann::json> gradio_arguments(int id, const nlohmann::json& named);

//   returns  the list of outputs
//   throws   Problem and Error, as run_search()
nlohmann::ordered_json call_gradio(Service& service, int id,
                                   const std::vector<nlohmann::json>& arguments,
                                   const std::string& root, const UploadedBytes& uploaded);

}  // namespace pgmmr

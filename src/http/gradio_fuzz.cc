// Arguments of Gradio's calls, of any JSON: refused, or made into a search. Nothing is run: there
// is no database behind it, which is a failure of its own kind.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "http/gradio_functions.h"
#include "http/json_body.h"
#include "http/problem.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pgmmr;
  static Service service(
      [] {
        ServiceSettings settings;
        settings.fetches_urls = false;
        return settings;
      }(),
      "host=/nonexistent",
      [](const std::string& id, const std::string&) -> std::unique_ptr<Encoder> {
        throw Error(ErrorKind::kNotFound, id);
      });
  if (size == 0) return 0;
  const int id = 1 + data[0] % 3;
  try {
    const auto body =
        parse_json_object(std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
    std::vector<nlohmann::json> arguments = gradio_arguments(id, body);
    if (body.contains("data") && body.at("data").is_array()) {
      arguments.assign(body.at("data").begin(), body.at("data").end());
    }
    call_gradio(service, id, arguments, "http://localhost",
                [](const std::string&) { return std::nullopt; });
  } catch (const Problem&) {
  } catch (const Error&) {
  }
  return 0;
}

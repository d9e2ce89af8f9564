#include "nn/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "nn/f16.h"

namespace pgmmr {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data are little endian");

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the reference reader's limit

struct TypeRow {
  const char* name;
  DataType type;
  std::size_t bytes;
};
constexpr std::array kTypes = {
    TypeRow{"F64", DataType::kF64, 8},    TypeRow{"F32", DataType::kF32, 4},
    TypeRow{"F16", DataType::kF16, 2},    TypeRow{"BF16", DataType::kBF16, 2},
    TypeRow{"I64", DataType::kI64, 8},    TypeRow{"I32", DataType::kI32, 4},
    TypeRow{"I16", DataType::kI16, 2},    TypeRow{"I8", DataType::kI8, 1},
    TypeRow{"U64", DataType::kU64, 8},    TypeRow{"U32", DataType::kU32, 4},
    TypeRow{"U16", DataType::kU16, 2},    TypeRow{"U8", DataType::kU8, 1},
    TypeRow{"BOOL", DataType::kBool, 1},  TypeRow{"F8_E5M2", DataType::kF8, 1},
    TypeRow{"F8_E4M3", DataType::kF8, 1}, TypeRow{"F8_E8M0", DataType::kF8, 1}};

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 120;  // names come from outside
  std::string out = "\"";
  for (const char c : text.substr(0, kShown)) out += c >= 0 && c < ' ' ? '?' : c;
  return out + (text.size() > kShown ? "...\"" : "\"");
}

// What the header says of one tensor, before it is believed.
struct Entry {
  std::optional<std::string> dtype;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
};

// The header's grammar as a stack-free event reader: an object of objects, with lists of
// non-negative integers inside and nothing deeper. So nesting costs nothing, and a name that
// occurs twice is seen, which a JSON tree would hide.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(std::string file) : file_(std::move(file)) {}

  std::map<std::string, Entry> take() { return std::move(entries_); }

  bool start_object(std::size_t) override {
    if (depth_ >= 2) refuse("an object where a value was expected");
    ++depth_;
    return true;
  }

  bool end_object() override {
    if (--depth_ == 1) name_.reset();
    return true;
  }

  bool key(std::string& text) override {
    if (depth_ == 1) {
      if (!names_.insert(text).second) fail("tensor name " + in_quotes(text) + " occurs twice");
      name_ = text;
      fields_.clear();
      in_metadata_ = text == "__metadata__";
      if (!in_metadata_) entries_[text];
    } else {
      field_ = text;
      if (!fields_.insert(text).second) refuse("the same key twice");
    }
    return true;
  }

  bool start_array(std::size_t) override {
    Entry* entry = current();
    if (depth_ != 2 || in_list_ || entry == nullptr) refuse("a list where none belongs");
    if (field_ == "shape") {
      list_ = &entry->shape.emplace();
    } else if (field_ == "data_offsets") {
      list_ = &entry->offsets.emplace();
    } else {
      refuse("a list where none belongs");
    }
    in_list_ = true;
    return true;
  }

  bool end_array() override {
    in_list_ = false;
    return true;
  }

  bool string(std::string& text) override {
    if (depth_ != 2 || in_list_) refuse("text " + in_quotes(text) + " where none belongs");
    if (in_metadata_) return true;
    if (field_ == "dtype") {
      current()->dtype = text;
    } else if (field_ == "shape" || field_ == "data_offsets") {
      refuse("text " + in_quotes(text) + " where a list belongs");
    }
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (!in_list_) refuse("the number " + std::to_string(value) + " where none belongs");
    list_->push_back(value);
    return true;
  }

  bool number_integer(std::int64_t value) override {
    refuse("the number " + std::to_string(value) + ", expected non-negative integers");
  }

  bool number_float(double, const std::string& text) override {
    refuse("the number " + text.substr(0, 40) + ", expected non-negative 64-bit integers");
  }

  bool null() override { refuse("null where a value was expected"); }
  bool boolean(bool) override { refuse("a boolean where none belongs"); }
  bool binary(nlohmann::json::binary_t&) override { refuse("binary data"); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    std::string why = error.what();  // "[json.exception.parse_error.101] parse error at ...: ..."
    if (const auto start = why.find("] "); start != std::string::npos) why.erase(0, start + 2);
    for (char& c : why) {
      if (c >= 0 && c < ' ') c = ' ';
    }
    fail("the header is not valid JSON (byte " + std::to_string(position) + "): " + why);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kCorrupt, file_ + ": " + what);
  }

  [[noreturn]] void refuse(const std::string& found) const {
    if (depth_ == 0) fail("the header is not a JSON object of tensors: found " + found);
    fail((in_metadata_ ? std::string("__metadata__") : "tensor " + in_quotes(name_.value_or(""))) +
         (depth_ == 2 ? ", " + in_quotes(field_) : std::string()) + ": found " + found);
  }

  Entry* current() { return in_metadata_ || !name_ ? nullptr : &entries_[*name_]; }

  std::string file_;
  int depth_ = 0;
  bool in_metadata_ = false;
  bool in_list_ = false;
  std::optional<std::string> name_;
  std::string field_;
  std::set<std::string> fields_;  // of the tensor being read
  std::vector<std::uint64_t>* list_ = nullptr;
  std::set<std::string> names_;  // of all tensors so far
  std::map<std::string, Entry> entries_;
};

void refuse_other_formats(std::string_view bytes, const std::string& name) {
  const auto corrupt = [&](const std::string& what) {
    throw Error(ErrorKind::kCorrupt, name + ": " + what);
  };
  if (bytes.empty()) corrupt("is empty, expected a safetensors file");
  if (bytes.starts_with("version https://git-lfs")) {
    corrupt(
        "is a Git LFS pointer, not the weights: the real file was not downloaded (git lfs pull)");
  }
  if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("\x80\x02") ||
      bytes.starts_with("\x80\x04")) {
    corrupt("looks like a PyTorch .bin or .pt file (zip or pickle), expected safetensors");
  }
  if (bytes.size() < 8) {
    corrupt("holds " + std::to_string(bytes.size()) +
            " bytes, too short for the 8 bytes of the header's length");
  }
}

// number of elements, or nothing where it does not fit 63 bits
std::optional<std::uint64_t> product(const std::vector<std::uint64_t>& shape) {
  std::uint64_t count = 1;
  for (const std::uint64_t dim : shape) {
    if (__builtin_mul_overflow(count, dim, &count)) return std::nullopt;
  }
  if (count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return count;
}

// Checks one entry against its own rules; the neighbours are checked by check_layout.
Tensor checked(const std::string& name, const Entry& entry, std::string_view data,
               const std::string& file) {
  const std::string where = file + ": tensor " + in_quotes(name) + ": ";
  const auto corrupt = [&](const std::string& what) {
    return Error(ErrorKind::kCorrupt, where + what);
  };
  if (!entry.dtype) throw corrupt("its \"dtype\" is missing");
  if (!entry.shape) throw corrupt("its \"shape\" is missing");
  if (!entry.offsets) throw corrupt("its \"data_offsets\" are missing");
  const auto* row = std::find_if(kTypes.begin(), kTypes.end(),
                                 [&](const TypeRow& one) { return *entry.dtype == one.name; });
  if (row == kTypes.end()) {
    throw Error(ErrorKind::kUnsupported,
                where + "dtype " + in_quotes(*entry.dtype) + " is not one this program knows");
  }
  const std::vector<std::uint64_t>& offsets = *entry.offsets;
  if (offsets.size() != 2) {
    throw corrupt("data_offsets has " + std::to_string(offsets.size()) + " values, expected 2");
  }
  const std::uint64_t begin = offsets[0], end = offsets[1];
  const std::string range = "[" + std::to_string(begin) + ", " + std::to_string(end) + "]";
  if (begin > end) throw corrupt("data_offsets " + range + " begin after their end");
  if (end > data.size()) {
    throw corrupt("its data " + range + " lie outside the file, which holds " +
                  std::to_string(data.size()) + " bytes of data: truncated? download it again");
  }
  std::uint64_t bytes = 0;
  const auto count = product(*entry.shape);
  if (!count || __builtin_mul_overflow(*count, row->bytes, &bytes)) {
    throw corrupt("its number of elements overflows 64 bits");
  }
  Tensor tensor;
  tensor.type = row->type;
  tensor.type_name = row->name;
  tensor.shape.assign(entry.shape->begin(), entry.shape->end());
  if (bytes != end - begin) {
    throw corrupt("shape " + shape_text(tensor.shape) + " of " + tensor.type_name + " needs " +
                  std::to_string(bytes) + " bytes, data_offsets " + range + " hold " +
                  std::to_string(end - begin));
  }
  tensor.bytes = data.substr(begin, end - begin);
  return tensor;
}

// The format wants every byte of the data to belong to exactly one tensor.
void check_layout(const TensorMap& tensors, std::string_view data, const std::string& file) {
  std::vector<TensorMap::const_iterator> order;
  order.reserve(tensors.size());
  for (auto it = tensors.begin(); it != tensors.end(); ++it) order.push_back(it);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a->second.bytes.data(), a->second.bytes.size()) <
           std::pair(b->second.bytes.data(), b->second.bytes.size());
  });
  std::size_t reached = 0;
  std::string before;
  for (const auto& it : order) {
    const auto begin = static_cast<std::size_t>(it->second.bytes.data() - data.data());
    if (begin < reached) {
      throw Error(ErrorKind::kCorrupt, file + ": tensors " + in_quotes(before) + " and " +
                                           in_quotes(it->first) + " overlap in the file");
    }
    if (begin > reached) {
      throw Error(ErrorKind::kCorrupt, file + ": " + std::to_string(begin - reached) +
                                           " unused bytes before tensor " + in_quotes(it->first));
    }
    reached = begin + it->second.bytes.size();
    before = it->first;
  }
  if (reached != data.size()) {
    throw Error(ErrorKind::kCorrupt, file + ": " + std::to_string(data.size() - reached) +
                                         " bytes after the last tensor");
  }
}

float widen_half(std::uint16_t half) { return from_f16({half}); }

float widen_bfloat(std::uint16_t half) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
}

// The source may lie at any address, so a block at a time is brought to one the compiler likes.
template <typename Stored, typename Widen>
void widen(const char* from, std::size_t count, float* out, Widen one) {
  std::array<Stored, 2048> block;
  while (count > 0) {
    const std::size_t n = std::min(count, block.size());
    std::memcpy(block.data(), from, n * sizeof(Stored));
    for (std::size_t i = 0; i < n; ++i) out[i] = one(block[i]);
    from += n * sizeof(Stored);
    out += n;
    count -= n;
  }
}

}  // namespace

std::size_t Tensor::count() const {
  std::size_t n = 1;
  for (const std::int64_t dim : shape) n *= static_cast<std::size_t>(dim);
  return n;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i == 8) return text + ", ...]";
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

void copy_floats(const Tensor& tensor, std::size_t first, std::size_t count, float* out) {
  const char* bytes = tensor.bytes.data();
  switch (tensor.type) {
    case DataType::kF32:
      if (count > 0) std::memcpy(out, bytes + first * 4, count * 4);
      return;
    case DataType::kF16:
      return widen<std::uint16_t>(bytes + first * 2, count, out, widen_half);
    case DataType::kBF16:
      return widen<std::uint16_t>(bytes + first * 2, count, out, widen_bfloat);
    case DataType::kF64:
      return widen<double>(bytes + first * 8, count, out,
                           [](double value) { return static_cast<float>(value); });
    default:
      throw Error(ErrorKind::kInternal, "copying weights of type " + tensor.type_name);
  }
}

TensorMap parse_safetensors(std::string_view bytes, const std::string& name) {
  refuse_other_formats(bytes, name);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  if (header_bytes > bytes.size() - 8 || header_bytes > kMaxHeaderBytes) {
    throw Error(ErrorKind::kCorrupt,
                name + ": a header of " + std::to_string(header_bytes) + " bytes does not fit " +
                    (header_bytes > bytes.size() - 8
                         ? "the file of " + std::to_string(bytes.size()) +
                               " bytes: truncated, or not safetensors? download it again"
                         : "the limit of " + std::to_string(kMaxHeaderBytes) + " bytes"));
  }
  const std::string_view header = bytes.substr(8, header_bytes);
  const std::string_view data = bytes.substr(8 + header_bytes);
  if (!header.starts_with('{')) {
    throw Error(ErrorKind::kCorrupt,
                name + ": the header must be a JSON object, found " +
                    (header.empty() ? "nothing" : in_quotes(header.substr(0, 12))));
  }
  HeaderReader reader(name);
  nlohmann::json::sax_parse(header.begin(), header.end(), &reader);
  TensorMap tensors;
  for (const auto& [tensor, entry] : reader.take()) {
    tensors.emplace(tensor, checked(tensor, entry, data, name));
  }
  check_layout(tensors, data, name);
  return tensors;
}

Safetensors::Safetensors(const std::filesystem::path& path)
    : path_(path), file_(path), tensors_(parse_safetensors(file_.bytes(), path.string())) {}

}  // namespace pgmmr

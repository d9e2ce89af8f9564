// The page's built files to one block and the C++ that finds its way in it: pack_site DIST BLOCK
// SOURCE. Run by the build (cmake/site.cmake).
#include <brotli/encode.h>
#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string brotli(const std::string& plain) {
  std::size_t size = BrotliEncoderMaxCompressedSize(plain.size());
  std::string packed(size, '\0');
  if (BrotliEncoderCompress(11, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, plain.size(),
                            reinterpret_cast<const std::uint8_t*>(plain.data()), &size,
                            reinterpret_cast<std::uint8_t*>(packed.data())) != BROTLI_TRUE) {
    return "";
  }
  packed.resize(size);
  return packed;
}

std::string gzip(const std::string& plain) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK) return "";
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(done ? stream.total_out : 0);
  deflateEnd(&stream);
  return packed;
}

std::string digest(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), raw.data(), &size, EVP_sha256(), nullptr);
  std::string text;
  for (unsigned int i = 0; i < 12; ++i) {
    std::array<char, 3> hex{};
    std::snprintf(hex.data(), hex.size(), "%02x", raw[i]);
    text += hex.data();
  }
  return text;
}

const char* type_of(const std::string& extension) {
  static constexpr std::array<std::array<const char*, 2>, 12> kTypes = {{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".webp", "image/webp"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
      {".map", "application/json"},
  }};
  for (const auto& [name, type] : kTypes) {
    if (extension == name) return type;
  }
  return "application/octet-stream";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: pack_site DIST BLOCK SOURCE\n");
    return 2;
  }
  const std::filesystem::path dist = argv[1];
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(dist)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dist)) {
      if (entry.is_regular_file() && entry.path().extension() != ".map") {
        files.push_back(entry.path());
      }
    }
  }
  std::sort(files.begin(), files.end());
  std::ofstream block(argv[2], std::ios::binary), source(argv[3]);
  source << "// Made by tools/pack_site.cc.\n#include \"http/site.h\"\n\n"
         << "__asm__(\".pushsection .rodata\\n.global pgmmr_site_block\\npgmmr_site_block:\\n\"\n"
         << "        \".incbin \\\"" << argv[2] << "\\\"\\n.byte 0\\n.popsection\\n\");\n"
         << "extern \"C\" const char pgmmr_site_block[];\n\nnamespace pgmmr {\n"
         << "std::span<const SiteFile> site_files() {\n"
         << "  const auto part = [](std::size_t offset, std::size_t size) {\n"
         << "    return std::string_view(pgmmr_site_block + offset, size);\n  };\n"
         << "  (void)part;\n";
  std::size_t offset = 0;
  const auto put = [&](const std::string& bytes) {
    block << bytes;
    const std::string part =
        "part(" + std::to_string(offset) + ", " + std::to_string(bytes.size()) + ")";
    offset += bytes.size();
    return part;
  };
  if (files.empty()) {
    source << "  return {};\n";
  } else {
    source << "  static const SiteFile files[] = {\n";
    for (const auto& file : files) {
      const std::string plain = read(file);
      const auto smaller = [&](std::string packed) {
        return packed.size() * 10 < plain.size() * 9 ? packed : std::string();
      };
      source << "      {\"/" << file.lexically_relative(dist).generic_string() << "\", \""
             << type_of(file.extension().string()) << "\", \"\\\"" << digest(plain) << "\\\"\",\n"
             << "       " << put(plain) << ", ";
      source << put(smaller(brotli(plain))) << ", ";
      source << put(smaller(gzip(plain))) << "},\n";
    }
    source << "  };\n  return files;\n";
  }
  source << "}\n}  // namespace pgmmr\n";
  block.close();
  source.close();
  return block.good() && source.good() ? 0 : 1;
}

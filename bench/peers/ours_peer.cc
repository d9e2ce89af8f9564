// This program's encoder, driven as compare.py says:
//
//     ours_peer CHECKPOINT DATA THREADS PRECISION
//
// Pictures come in at the tower's size, texts as words: preparing the one and tokenising the other
// are part of the time, while the peers are given their results.
#include <chrono>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "bench/encoder_choice.h"

namespace pgmmr {
namespace {

constexpr int kSide = 224;

std::vector<Picture> pictures(const std::string& data) {
  const std::string bytes = read_file(data + "/pixels.u8");
  std::vector<Picture> all(bytes.size() / (kSide * kSide * 3), Picture(kSide, kSide));
  std::size_t at = 0;
  for (Picture& picture : all) {
    for (auto& byte : picture.rgb) byte = static_cast<std::uint8_t>(bytes[at++]);
  }
  return all;
}

std::vector<std::string> texts(const std::string& data, const std::string& length) {
  std::istringstream lines(read_file(data + "/texts" + length + ".txt"));
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  return all;
}

void serve(const std::string& folder, const std::string& data, int threads,
           const std::string& precision) {
  const auto encoder = load_encoder_at(folder, precision, threads);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb, tower, length;
    words >> verb >> tower >> length;
    const bool vision = tower == "vision";
    const auto all_pictures = vision ? pictures(data) : std::vector<Picture>();
    const auto all_texts = vision ? std::vector<std::string>() : texts(data, length);
    const auto run = [&](std::size_t batch) {
      return vision ? encoder->encode_pictures(std::span(all_pictures).first(batch))
                    : encoder->encode_texts(std::span(all_texts).first(batch));
    };
    if (verb == "time") {
      std::size_t batch = 0;
      int repeats = 0;
      words >> batch >> repeats;
      std::string times;
      for (int i = 0; i < repeats; ++i) {
        const auto start = std::chrono::steady_clock::now();
        run(batch);
        const std::chrono::duration<double, std::milli> time =
            std::chrono::steady_clock::now() - start;
        times += std::to_string(time.count()) + ' ';
      }
      std::cout << times << std::endl;
    } else if (verb == "save") {
      std::string file;
      words >> file;
      const Matrix embeddings = run(vision ? all_pictures.size() : all_texts.size());
      std::ofstream out(file, std::ios::binary);
      out.write(
          reinterpret_cast<const char*>(embeddings.data()),
          static_cast<std::streamsize>(sizeof(float)) * embeddings.rows() * embeddings.cols());
      std::cout << "saved" << std::endl;
    }
  }
}

}  // namespace
}  // namespace pgmmr

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: ours_peer CHECKPOINT DATA THREADS f32|bf16|int8\n";
    return 2;
  }
  try {
    pgmmr::serve(argv[1], argv[2], std::max(1, std::atoi(argv[3])), argv[4]);
  } catch (const std::exception& error) {
    std::cerr << "ours_peer: " << error.what() << '\n';
    return 1;
  }
}

// A search as HTTP brings it (JSON, a form with a picture, or query parameters) to one that can be
// run, and running it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "http/message.h"
#include "http/service.h"
#include "search/search.h"

namespace pgmmr {

struct SearchCall {
  std::string collection;  // empty: the only one
  Query query;             // picture is set once the call has run
  int offset = 0;
  std::string image;      // a picture's bytes; empty for none
  std::string image_url;  // http(s); empty for none. data: URLs are in image
  // Instead of a picture: its vector by the collection's model, of any length but 0; empty for
  // none.
  std::vector<float> embedding;
};

// Everything that is wrong with it is told at once.
//   throws  Problem{400} naming fields, {415} for another kind of body
SearchCall read_search(const WebRequest& request);

// The part of a query that says which mode; nothing for another word.
std::optional<SearchMode> search_mode(const std::string& name);

struct SearchAnswer {
  Collection collection;
  Query query;
  SearchResult result;  // the hits asked for, those before offset left out
  std::vector<std::vector<std::string>> matched;
  int offset = 0;
  bool more = false;
};

// Fetches, decodes, encodes and ranks, each within its limits.
//   throws  Problem, {400} for an embedding of another dimension among them, and Error as search()
//           does
SearchAnswer run_search(Service& service, SearchCall call);

// The command line's JSON, and beside each hit's own: caption, thumbnail, picture, matched.
std::string to_json(const SearchAnswer& answer);
// The same of one row, without scores and ranks.
std::string item_json(const Collection& collection, const RankedRow& row);

// Relative addresses, from the server's root, of a row's pictures.
std::string thumbnail_path(const std::string& collection, const std::string& key);
std::string picture_path(const std::string& collection, const std::string& key);

// The unit vector of a picture's bytes, remembered by their digest.
//   throws  Problem{413} above the limit of pixels, {415} for what is not a picture
Embedding encode_image_bytes(Service& service, const Encoder& encoder, const std::string& bytes,
                             const std::string& name);

// Bytes of base64, a data: URL, or an http(s) address that may be fetched.
//   field   for messages
//   throws  Problem{400, 413, 502}
std::string image_bytes(Service& service, const std::string& text, const std::string& field);

}  // namespace pgmmr

#include "clip/added_tokens.h"

#include <algorithm>
#include <utility>

namespace pgmmr {

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content.size() > b.content.size();
  });
  for (const AddedToken& token : tokens_) {
    begins_token_[static_cast<unsigned char>(token.content[0])] = true;
  }
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, std::size_t from) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    if (!begins_token_[static_cast<unsigned char>(text[at])]) continue;
    for (const AddedToken& token : tokens_) {
      if (text.substr(at).starts_with(token.content)) {
        return Match{at, at + token.content.size(), token.id};
      }
    }
  }
  return std::nullopt;
}

}  // namespace pgmmr

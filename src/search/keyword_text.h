// What people type to what keyword search reads: web search syntax (quotes, -, or) kept through
// ICU's word segmentation, and --not as one more "-".
#pragma once

#include <string>
#include <string_view>

namespace pgmmr {

// The query with each of its plain parts as icu_words(), its operators kept: 红苹果 -"卡通画"
// becomes 红 苹果 -"卡通 画".
std::string segmented_query(std::string_view query);

// The query with what is unwanted appended as a forbidden phrase; unchanged where that is blank.
std::string without(const std::string& query, const std::string& unwanted);

}  // namespace pgmmr

// libvips as this program uses it: started once, one thread a call, no cache, only its fuzzed
// loaders; its objects behind unique_ptr.
#pragma once

#include <vips/vips.h>

#include <memory>
#include <string>

namespace pgmmr {

struct VipsUnref {
  void operator()(void* object) const noexcept { g_object_unref(object); }
};
using VipsImageHandle = std::unique_ptr<VipsImage, VipsUnref>;
using VipsRegionHandle = std::unique_ptr<VipsRegion, VipsUnref>;

struct GFree {
  void operator()(void* memory) const noexcept { g_free(memory); }
};

// Starts libvips on the first call.
//   throws   Error{kInternal} where it can't be started
//   threads  safe to call at once
void start_vips();

// What libvips last complained about, in one line, and forgets it. libvips keeps one text for all
// threads, so in a rare case this is another thread's complaint: good for a hint in a message, not
// for decisions.
std::string take_vips_complaint();

}  // namespace pgmmr

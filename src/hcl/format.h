#pragma once
// The one way a document is laid out: two spaces a level, one space between tokens, equals signs
// and trailing comments of neighbouring lines in a column. Text in quotes and heredocs is left as
// it is, so meaning never changes; formatting twice changes nothing.

#include "hcl/source.h"

#include <string>
#include <string_view>

namespace nl::hcl {

/// The document laid out anew. A document with mistakes comes back as it was, with diagnostics.
std::string format(std::string_view source, std::uint32_t file, Diagnostics& diagnostics);

}  // namespace nl::hcl

#pragma once
// HCL text to a tree. The parser goes on after a mistake, so that one run shows several; what it
// returns then is what could be read. Nesting is bounded, so hostile text cannot exhaust the
// stack. Source: HCL2 native syntax specification.

#include "hcl/ast.h"
#include "hcl/source.h"

#include <string_view>

namespace nl::hcl {

/// Deepest nesting of blocks, brackets, templates and operators.
inline constexpr std::size_t kMaxNesting = 200;

/// A whole document.
Body parse_document(
    std::string_view source, std::uint32_t file, const SourceNames& names, Diagnostics& diagnostics
);
/// One expression and nothing after it; null if there is none.
ExprPtr parse_expression(
    std::string_view source, std::uint32_t file, Diagnostics& diagnostics, Pos from = {}
);
/// Text with interpolations, as between quotes but without escapes.
ExprPtr parse_template(
    std::string_view source, std::uint32_t file, Diagnostics& diagnostics, Pos from = {}
);

}  // namespace nl::hcl

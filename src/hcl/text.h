#pragma once
// What HCL needs to know of Unicode: grapheme clusters, normal form C and identifier characters.
// The one user of libutf8proc; ASCII never reaches it.

#include <cstddef>
#include <string>
#include <string_view>

namespace nl::hcl {

/// The number of grapheme clusters (UAX #29, extended); bytes that are not UTF-8 count one each.
std::size_t grapheme_count(std::string_view text);
/// The byte length of the first cluster; 0 for empty text.
std::size_t first_grapheme(std::string_view text);
/// Normal form C (UAX #15). Text that is not UTF-8 comes back with U+FFFD for what is wrong.
std::string normalized(std::string_view text);
bool is_ascii(std::string_view text);
bool is_utf8(std::string_view text);

/// The code point at the beginning and its length; length 0 if the bytes are not UTF-8.
struct CodePoint {
    char32_t value{0};
    std::size_t length{0};
};
CodePoint decode(std::string_view text);
void append_utf8(std::string& out, char32_t value);

bool is_identifier_start(char32_t c);
bool is_identifier_part(char32_t c);
bool is_space(char32_t c);
bool is_letter(char32_t c);
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
/// Every word's first letter in title case.
std::string to_title(std::string_view text);

}  // namespace nl::hcl

#include "hcl/text.h"

#include <utf8proc.h>

#include <cstdlib>

namespace nl::hcl {
namespace {

const utf8proc_uint8_t* bytes(std::string_view text) {
    return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

constexpr char32_t kReplacement = 0xFFFD;

}  // namespace

bool is_ascii(std::string_view text) {
    for (const char c : text) {
        if (static_cast<unsigned char>(c) >= 0x80) {
            return false;
        }
    }
    return true;
}

CodePoint decode(std::string_view text) {
    if (text.empty()) {
        return {};
    }
    if (static_cast<unsigned char>(text[0]) < 0x80) {
        return {static_cast<char32_t>(text[0]), 1};
    }
    utf8proc_int32_t value = 0;
    const auto length =
        utf8proc_iterate(bytes(text), static_cast<utf8proc_ssize_t>(text.size()), &value);
    if (length <= 0) {
        return {};
    }
    return {static_cast<char32_t>(value), static_cast<std::size_t>(length)};
}

void append_utf8(std::string& out, char32_t value) {
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
        value = kReplacement;
    }
    utf8proc_uint8_t buffer[4];
    const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(value), buffer);
    out.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(length));
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const CodePoint c = decode(text);
        if (c.length == 0) {
            return false;
        }
        text.remove_prefix(c.length);
    }
    return true;
}

std::size_t first_grapheme(std::string_view text) {
    if (text.empty()) {
        return 0;
    }
    if (text.size() >= 2 && text[0] == '\r' && text[1] == '\n') {
        return 2;
    }
    CodePoint before = decode(text);
    if (before.length == 0) {
        return 1;
    }
    std::size_t at = before.length;
    utf8proc_int32_t state = 0;
    while (at < text.size()) {
        const CodePoint next = decode(text.substr(at));
        if (next.length == 0 || utf8proc_grapheme_break_stateful(
                                    static_cast<utf8proc_int32_t>(before.value),
                                    static_cast<utf8proc_int32_t>(next.value),
                                    &state
                                )) {
            break;
        }
        at += next.length;
        before = next;
    }
    return at;
}

std::size_t grapheme_count(std::string_view text) {
    std::size_t count = 0;
    while (!text.empty()) {
        text.remove_prefix(first_grapheme(text));
        ++count;
    }
    return count;
}

std::string normalized(std::string_view text) {
    if (is_ascii(text)) {
        return std::string(text);
    }
    std::string valid;
    while (!text.empty()) {
        const CodePoint c = decode(text);
        if (c.length == 0) {
            append_utf8(valid, kReplacement);
            text.remove_prefix(1);
        } else {
            valid.append(text.substr(0, c.length));
            text.remove_prefix(c.length);
        }
    }
    utf8proc_uint8_t* composed = nullptr;
    const auto length = utf8proc_map(
        bytes(valid),
        static_cast<utf8proc_ssize_t>(valid.size()),
        &composed,
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE)
    );
    if (length >= 0) {
        valid.assign(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(length));
    }
    std::free(composed);
    return valid;
}

bool is_letter(char32_t c) {
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool is_identifier_start(char32_t c) {
    if (c < 0x80) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    }
    return is_letter(c) ||
           utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_NL;
}

bool is_identifier_part(char32_t c) {
    if (c < 0x80) {
        return is_identifier_start(c) || (c >= '0' && c <= '9') || c == '-';
    }
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    return is_identifier_start(c) || category == UTF8PROC_CATEGORY_MN ||
           category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ND ||
           category == UTF8PROC_CATEGORY_PC;
}

bool is_space(char32_t c) {
    if (c < 0x80) {
        return c == ' ' || (c >= '\t' && c <= '\r');
    }
    return c == 0x85 || c == 0xA0 ||
           utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ZS ||
           c == 0x2028 || c == 0x2029;
}

namespace {

template <class Change>
std::string changed(std::string_view text, Change change) {
    std::string out;
    while (!text.empty()) {
        const CodePoint c = decode(text);
        if (c.length == 0) {
            out += text[0];
            text.remove_prefix(1);
            continue;
        }
        append_utf8(out, change(c.value));
        text.remove_prefix(c.length);
    }
    return out;
}

}  // namespace

std::string to_upper(std::string_view text) {
    return changed(text, [](char32_t c) {
        // The sharp s has no capital of its own in the Unicode data that Go's mapping follows.
        if (c == 0xDF) {
            return c;
        }
        return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
    });
}

std::string to_lower(std::string_view text) {
    return changed(text, [](char32_t c) {
        return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
    });
}

std::string to_title(std::string_view text) {
    bool in_word = false;
    return changed(text, [&in_word](char32_t c) {
        const bool was = in_word;
        const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
        const bool digit = category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
                           category == UTF8PROC_CATEGORY_NO;
        if (c < 0x80) {
            in_word = is_letter(c) || (c >= '0' && c <= '9') || c == '_';
        } else {
            in_word = is_letter(c) || digit || (was && !is_space(c));
        }
        if (was) {
            return c;
        }
        return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c)));
    });
}

}  // namespace nl::hcl

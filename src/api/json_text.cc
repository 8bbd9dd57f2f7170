#include "api/json_text.h"

#include "base/check.h"

#include <fmt/format.h>

#include <iterator>

namespace nl::api {
namespace {

std::string with_keys(std::string json, std::string_view keys) {
    NL_ASSERT(json.starts_with('{'));
    NL_ASSERT(json.ends_with('}'));
    json.pop_back();
    if (json.size() > 1) {
        json.push_back(',');
    }
    json.append(keys);
    json.push_back('}');
    return json;
}

void new_line(std::string& out, std::size_t depth) {
    out.push_back('\n');
    out.append(depth * 4, ' ');
}

}  // namespace

std::string json_quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) {
                    fmt::format_to(
                        std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c)
                    );
                } else {
                    out.push_back(c);
                }
        }
    }
    out.push_back('"');
    return out;
}

std::string with_read_meta(std::string json, const ReadMeta& meta) {
    return with_keys(
        std::move(json),
        fmt::format(
            "\"Index\":{},\"KnownLeader\":{},\"LastContact\":{},\"NextToken\":{}",
            meta.index,
            meta.known_leader,
            meta.last_contact.ns,
            json_quote(meta.next_token)
        )
    );
}

std::string with_write_meta(std::string json, Index index) {
    return with_keys(std::move(json), fmt::format("\"Index\":{}", index));
}

std::string pretty_json(std::string_view json) {
    std::string out;
    out.reserve(json.size() * 2);
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (in_string) {
            out.push_back(c);
            if (c == '\\' && i + 1 < json.size()) {
                out.push_back(json[++i]);
            } else if (c == '"') {
                in_string = false;
            }
            continue;
        }
        switch (c) {
            case '"':
                in_string = true;
                out.push_back(c);
                break;
            case '{':
            case '[': {
                const char closing = c == '{' ? '}' : ']';
                out.push_back(c);
                if (i + 1 < json.size() && json[i + 1] == closing) {
                    out.push_back(closing);
                    ++i;
                } else {
                    new_line(out, ++depth);
                }
                break;
            }
            case '}':
            case ']':
                depth -= depth > 0 ? 1 : 0;
                new_line(out, depth);
                out.push_back(c);
                break;
            case ',':
                out.push_back(c);
                new_line(out, depth);
                break;
            case ':':
                out += ": ";
                break;
            case ' ':
            case '\n':
            case '\r':
            case '\t':
                break;
            default:
                out.push_back(c);
        }
    }
    out.push_back('\n');
    return out;
}

}  // namespace nl::api

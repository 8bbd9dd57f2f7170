#include "api/json_text.h"

#include "base/check.h"
#include "wire/value_json.h"

#include <fmt/format.h>

#include <utility>

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

}  // namespace

std::string json_quote(std::string_view text) {
    std::string out;
    wire::append_json_string(out, text);
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

}  // namespace nl::api

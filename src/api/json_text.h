#pragma once
// JSON as text: adding the keys of an envelope to an object that is written already.

#include "base/strong.h"
#include "base/time.h"

#include <string>
#include <string_view>

namespace nl::api {

/// A JSON string with its quotes.
std::string json_quote(std::string_view text);

/// What reads say about their freshness.
struct ReadMeta {
    Index index;
    bool known_leader = true;
    Duration last_contact;
    std::string next_token;
};
/// Adds Index, KnownLeader, LastContact and NextToken to an object's text.
std::string with_read_meta(std::string json, const ReadMeta& meta);
/// Adds Index.
std::string with_write_meta(std::string json, Index index);

}  // namespace nl::api

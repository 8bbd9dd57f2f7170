#pragma once
// How read routes answer: headers, blocking until the result's index passes the client's, and pages
// of lists. A route gives a function that looks at a snapshot; this calls it now and, for a
// blocking read, again after each change. Source: Nomad HTTP API, 0.6 and 0.7.

#include "api/context.h"
#include "api/outcome.h"
#include "api/params.h"
#include "api/request.h"
#include "base/error.h"
#include "state/watch.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace nl::api {

/// What a look at the state found.
struct Look {
    Response response;
    /// The result's index: a blocking read waits until it is above the client's.
    Index index;
    /// What to watch for the result to change.
    std::vector<state::WatchKey> keys;
    std::string next_token;
};
/// A text answer of an error's own status ends the request at once, blocking or not.
using Looking = std::function<Result<Look>(const Context&, const ReadOptions&)>;

/// Reads the common parameters and answers what `look` finds, waiting if asked. `look` must hold no
/// snapshot.
Outcome read(const Request& request, const Context& context, Looking look);

/// As `read`, answering an envelope: Index, KnownLeader, LastContact and NextToken are added to the
/// object.
Outcome read_envelope(const Request& request, const Context& context, Looking look);

/// A missing object: the table's index, so that a blocking read waits for its creation.
Look missing(const Context& context, state::TableId table, std::string text);

// ---- lists

/// Where an item stands in its list: by text, or by number and then text.
struct SortToken {
    std::uint64_t number = 0;
    std::string text;

    friend auto operator<=>(const SortToken&, const SortToken&) = default;
};
enum class TokenKind : unsigned char {
    Text,        ///< "<id>" or "<namespace>.<id>"
    NumberText,  ///< "<create index>.<id>"
    Number,      ///< "<modify index>"
};
std::string to_text(const SortToken& token, TokenKind kind);

/// Collects one page of a list as JSON text, in the order items are offered (which must be the
/// order of their tokens, ascending or, with `reverse`, descending).
class Page {
public:
    Page(const ReadOptions& options, TokenKind kind);

    /// Whether the item belongs to this page; the caller then appends its JSON with `item()`.
    /// After `done()` nothing more is needed.
    bool offer(const SortToken& token);
    bool done() const { return done_; }
    /// The text to append the item's JSON to.
    std::string& item();

    std::string take_json();
    std::string take_next_token() { return std::move(next_token_); }

private:
    bool before_start(const SortToken& token) const;

    TokenKind kind_;
    bool reverse_;
    std::uint64_t per_page_;
    bool has_start_;
    SortToken start_;
    std::uint64_t taken_ = 0;
    bool done_ = false;
    std::string json_ = "[";
    std::string next_token_;
};

/// Puts items into the order of creation (index, then id), or the reverse. `key` gives a pair.
template <class Item, class Key>
void sort_by(std::vector<Item>& items, bool reverse, Key key) {
    std::ranges::sort(items, [&](const Item& a, const Item& b) {
        return reverse ? key(b) < key(a) : key(a) < key(b);
    });
}

/// Errors: Nomad's texts (500) for a prefix that is no even number of hexadecimal digits.
Result<void> check_uuid_prefix(std::string_view prefix);
/// A whole id from a path. Errors: 500 with "<noun> lookup failed: index error: UUID must be 36
/// characters".
Result<Uuid> path_uuid(std::string_view text, std::string_view noun);

}  // namespace nl::api

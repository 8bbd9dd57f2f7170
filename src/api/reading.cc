#include "api/reading.h"

#include "api/json_text.h"
#include "api/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace nl::api {
namespace {

enum class Envelope : unsigned char { No, Yes };

void add_read_headers(Look& look, const Context& context, Envelope envelope) {
    const Index shown = std::max(look.index, Index(1));
    const bool known = context.cluster.leader != ServerId{};
    auto& response = look.response;
    if (envelope == Envelope::Yes && response.status == 200) {
        response.body = with_read_meta(
            std::move(response.body), {shown, known, context.cluster.last_contact, look.next_token}
        );
    }
    response.headers.push_back({"X-Nomad-Index", fmt::format("{}", shown)});
    response.headers.push_back({"X-Nomad-KnownLeader", known ? "true" : "false"});
    response.headers.push_back(
        {"X-Nomad-LastContact", fmt::format("{}", context.cluster.last_contact.ms())}
    );
    if (!look.next_token.empty()) {
        response.headers.push_back({"X-Nomad-NextToken", look.next_token});
    }
}

// Since a saved state was put in place of another, every table counts as changed: what has not
// changed since may still be other than what the client saw before.
Index replaced_at(const state::Snapshot& state) {
    Index at(UINT64_MAX);
    for (std::size_t i = 0; i < state::kTableCount; ++i) {
        at = std::min(at, state.table_index(static_cast<state::TableId>(i)));
    }
    return at;
}

/// What a parked read keeps.
struct Reading {
    ReadOptions options;
    Looking look;
    Envelope envelope;
    Instant deadline;
};

Outcome look_again(
    const std::shared_ptr<const Reading>& reading, const Context& context, bool timed_out
) {
    auto look = reading->look(context, reading->options);
    if (!look) {
        return error_response(look.error());
    }
    look->index = std::max(look->index, replaced_at(context.state));
    const bool waits = reading->options.min_index > Index(0) &&
                       look->index <= reading->options.min_index && !timed_out &&
                       context.now < reading->deadline;
    if (!waits) {
        add_read_headers(*look, context, reading->envelope);
        return std::move(look->response);
    }
    Parked parked;
    parked.on = WaitChange{std::move(look->keys), context.state.index(), reading->deadline};
    parked.resume = [reading](const Context& later, WaitEnd end) {
        const auto* woken = std::get_if<Woken>(&end);
        return look_again(reading, later, woken != nullptr && woken->timed_out);
    };
    return parked;
}

Outcome begin_read(
    const Request& request, const Context& context, Looking look, Envelope envelope
) {
    auto options = read_options(request);
    if (!options) {
        return error_response(options.error());
    }
    Rng rng = context.rng();
    const Instant deadline = context.now + jittered(options->wait, rng);
    const auto reading = std::make_shared<const Reading>(
        Reading{std::move(*options), std::move(look), envelope, deadline}
    );
    return look_again(reading, context, false);
}

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

Outcome read(const Request& request, const Context& context, Looking look) {
    return begin_read(request, context, std::move(look), Envelope::No);
}

Outcome read_envelope(const Request& request, const Context& context, Looking look) {
    return begin_read(request, context, std::move(look), Envelope::Yes);
}

Look missing(const Context& context, state::TableId table, std::string text) {
    return {
        text_response(404, std::move(text)),
        context.state.table_index(table),
        {state::watch_table(table)},
        {}
    };
}

std::string to_text(const SortToken& token, TokenKind kind) {
    switch (kind) {
        case TokenKind::Text:
            return token.text;
        case TokenKind::NumberText:
            return fmt::format("{}.{}", token.number, token.text);
        case TokenKind::Number:
            return fmt::format("{}", token.number);
    }
    return {};
}

Page::Page(const ReadOptions& options, TokenKind kind)
    : kind_(kind),
      reverse_(options.reverse),
      per_page_(options.per_page),
      has_start_(!options.next_token.empty()) {
    const std::string_view text = options.next_token;
    if (kind == TokenKind::Text) {
        start_.text = text;
        return;
    }
    const std::size_t dot = text.find('.');
    const std::string_view digits = text.substr(0, dot);
    std::from_chars(digits.data(), digits.data() + digits.size(), start_.number);
    if (dot != std::string_view::npos) {
        start_.text = text.substr(dot + 1);
    }
}

bool Page::before_start(const SortToken& token) const {
    return has_start_ && (reverse_ ? token > start_ : token < start_);
}

bool Page::offer(const SortToken& token) {
    if (done_ || before_start(token)) {
        return false;
    }
    if (per_page_ > 0 && taken_ == per_page_) {
        next_token_ = to_text(token, kind_);
        done_ = true;
        return false;
    }
    ++taken_;
    return true;
}

std::string& Page::item() {
    if (json_.size() > 1) {
        json_ += ',';
    }
    return json_;
}

std::string Page::take_json() {
    json_ += ']';
    return std::move(json_);
}

Result<void> check_uuid_prefix(std::string_view prefix) {
    constexpr std::size_t kUuidChars = 36;
    if (prefix.size() > kUuidChars) {
        return fail(
            ErrorCode::Internal,
            "Invalid UUID length. UUID have 36 characters; got {}",
            prefix.size()
        );
    }
    std::size_t digits = 0;
    for (const char c : prefix) {
        if (c == '-') {
            continue;
        }
        if (!is_hex(c)) {
            return fail(
                ErrorCode::Internal,
                "Invalid UUID: encoding/hex: invalid byte: {} '{}'",
                fmt::format("U+{:04X}", static_cast<unsigned char>(c)),
                c
            );
        }
        ++digits;
    }
    if (digits % 2 != 0) {
        return fail(ErrorCode::Internal, "Invalid UUID: encoding/hex: odd length hex string");
    }
    return {};
}

Result<Uuid> path_uuid(std::string_view text, std::string_view noun) {
    const auto id = Uuid::parse(text);
    if (!id || id->is_nil()) {
        return fail(
            ErrorCode::Internal, "{} lookup failed: index error: UUID must be 36 characters", noun
        );
    }
    return *id;
}

}  // namespace nl::api

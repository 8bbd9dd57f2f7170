#include "sim/kv.h"

#include "base/check.h"
#include "base/codec.h"

#include <utility>
#include <vector>

namespace nl::sim {

namespace {

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
    for (const char c : text) {
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
    }
    return (hash ^ text.size()) * 0x9e3779b97f4a7c15ULL;
}

std::uint64_t hash_of(const std::string& key, const std::string& value) {
    return value.empty() ? 0 : mix(mix(0xcbf29ce484222325ULL, key), value);
}

struct SavedValue {
    std::string key;
    std::string value;

    NL_FIELDS(SavedValue, (1, key), (2, value))
};
struct SavedKv {
    std::vector<SavedValue> values;
    Bytes requests;
    std::uint64_t history{0};
    std::uint64_t content{0};

    NL_FIELDS(SavedKv, (1, values), (2, requests), (3, history), (4, content))
};

}  // namespace

Kv::Applied Kv::apply(const server::Committed& entry) {
    history_ = (history_ ^ entry.index.value ^ entry.term.value << 40) * 0x9e3779b97f4a7c15ULL;
    if (entry.kind != raft::EntryKind::Command) {
        return {};
    }
    const auto judged = window_.judge(entry.request, entry.born);
    switch (judged.verdict) {
        case server::RequestWindow::Verdict::Again:
            return {.index = judged.outcome->index, .result = judged.outcome->message};
        case server::RequestWindow::Verdict::TooOld:
            return {.known = false, .index = entry.index, .result = {}};
        case server::RequestWindow::Verdict::Fresh:
            break;
    }
    const auto command = decode<KvCommand>(entry.data);
    NL_ASSERT(command.has_value());
    std::string& value = values_[command->key];
    content_ ^= hash_of(command->key, value);
    std::string result = carry_out(command->kind, command->a, command->b, value);
    content_ ^= hash_of(command->key, value);
    history_ = mix(history_, result);
    server::RequestWindow::Outcome outcome{.index = entry.index, .message = result};
    window_.remember(entry.request, std::move(outcome));
    return {.index = entry.index, .result = std::move(result)};
}

std::string Kv::get(const std::string& key) const {
    const auto at = values_.find(key);
    return at != values_.end() ? at->second : "";
}

Bytes Kv::save() const {
    SavedKv saved{
        .values = {}, .requests = window_.save(), .history = history_, .content = content_
    };
    for (const auto& [key, value] : values_) {
        saved.values.push_back({.key = key, .value = value});
    }
    return encode(saved);
}

Result<Kv> Kv::load(BytesView bytes, std::size_t requests_kept) {
    auto saved = decode<SavedKv>(bytes);
    if (!saved) {
        return fail(ErrorCode::Corruption, "the saved state cannot be read");
    }
    Kv kv(requests_kept);
    NL_TRY(kv.window_, server::RequestWindow::load(saved->requests, requests_kept));
    kv.history_ = saved->history;
    for (SavedValue& one : saved->values) {
        kv.content_ ^= hash_of(one.key, one.value);
        kv.values_.emplace(std::move(one.key), std::move(one.value));
    }
    if (kv.content_ != saved->content) {
        return fail(ErrorCode::Corruption, "the saved state is not what was saved");
    }
    return kv;
}

}  // namespace nl::sim

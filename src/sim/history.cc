#include "sim/history.h"

#include "base/bytes.h"
#include "base/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace nl::sim {

namespace {

constexpr std::array kKinds{OpKind::Put,    OpKind::Get, OpKind::Cas,
                            OpKind::Append, OpKind::Add, OpKind::Delete};

std::int64_t to_number(std::string_view text) {
    std::int64_t n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
}

/// The operations of one key as a list of calls and returns in the order of time.
class Search {
public:
    Search(std::vector<const Op*> ops, std::uint64_t steps_max)
        : ops_(std::move(ops)), steps_max_(steps_max) {
        struct Moment {
            Instant at;
            bool is_return;
            std::size_t op;
        };
        std::vector<Moment> moments;
        for (std::size_t i = 0; i < ops_.size(); ++i) {
            moments.push_back({.at = ops_[i]->begin, .is_return = false, .op = i});
            moments.push_back({.at = ops_[i]->end, .is_return = true, .op = i});
        }
        // At the same time calls come first: such operations overlap.
        std::stable_sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
            return std::pair(a.at, a.is_return) < std::pair(b.at, b.is_return);
        });
        nodes_.resize(moments.size() + 1);
        return_of_.resize(ops_.size());
        for (std::size_t i = 0; i < moments.size(); ++i) {
            Node& node = nodes_[i + 1];
            node.op = moments[i].op;
            node.is_return = moments[i].is_return;
            node.previous = i;
            nodes_[i].next = i + 1;
            if (node.is_return) {
                return_of_[node.op] = i + 1;
            }
        }
        nodes_.back().next = kEnd;
        taken_.resize((ops_.size() + 63) / 64);
        states_.emplace_back();
        state_ids_.emplace("", 0);
    }

    bool run() {
        std::size_t at = nodes_[0].next;
        while (nodes_[0].next != kEnd) {
            if (++steps_ > steps_max_) {
                gave_up_ = true;
                return true;
            }
            if (!nodes_[at].is_return) {
                const std::optional<std::uint32_t> next = step(*ops_[nodes_[at].op]);
                if (next && visit(nodes_[at].op, *next)) {
                    stack_.emplace_back(at, state_);
                    state_ = *next;
                    set_taken(nodes_[at].op, true);
                    lift(at);
                    best_ = std::max(best_, stack_.size());
                    at = nodes_[0].next;
                } else {
                    at = nodes_[at].next;
                }
                continue;
            }
            // Its call should have been placed by now.
            if (stack_.size() >= best_) {
                stuck_at_ = nodes_[at].op;
            }
            if (stack_.empty()) {
                return false;
            }
            at = stack_.back().first;
            state_ = stack_.back().second;
            stack_.pop_back();
            set_taken(nodes_[at].op, false);
            unlift(at);
            at = nodes_[at].next;
        }
        return true;
    }

    bool gave_up() const { return gave_up_; }
    std::uint64_t steps() const { return steps_; }
    /// What stands around the operation that could not be placed.
    std::string story() const {
        const Op& stuck = *ops_[stuck_at_];
        std::string out;
        for (const Op* op : ops_) {
            const bool near = op->begin <= stuck.end && op->end >= stuck.begin - milliseconds(200);
            if (near || op == &stuck) {
                out += fmt::format("\n  {}{}", op == &stuck ? "> " : "  ", to_string(*op));
            }
        }
        return out;
    }

private:
    static constexpr std::size_t kEnd = SIZE_MAX;
    struct Node {
        std::size_t op{0};
        bool is_return{false};
        std::size_t previous{0};
        std::size_t next{kEnd};
    };

    std::optional<std::uint32_t> step(const Op& op) {
        std::string value = states_[state_];
        const std::string result = carry_out(op.kind, op.a, op.b, value);
        if (op.end != Instant::max() && result != op.result) {
            return std::nullopt;
        }
        const auto [at, fresh] =
            state_ids_.emplace(std::move(value), static_cast<std::uint32_t>(states_.size()));
        if (fresh) {
            states_.push_back(at->first);
        }
        return at->second;
    }
    // False if this set of operations was reached with this state before.
    bool visit(std::size_t op, std::uint32_t state) {
        set_taken(op, true);
        std::uint64_t hash = state + 0x9e3779b97f4a7c15ULL;
        for (const std::uint64_t word : taken_) {
            hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
            hash ^= hash >> 32;
        }
        auto& same = seen_[hash];
        const bool known = std::any_of(same.begin(), same.end(), [&](const auto& one) {
            return one.second == state && one.first == taken_;
        });
        if (!known) {
            same.emplace_back(taken_, state);
        }
        set_taken(op, false);
        return !known;
    }
    void set_taken(std::size_t op, bool is) {
        const std::uint64_t bit = std::uint64_t{1} << (op % 64);
        if (is) {
            taken_[op / 64] |= bit;
        } else {
            taken_[op / 64] &= ~bit;
        }
    }
    void cut(std::size_t node) {
        nodes_[nodes_[node].previous].next = nodes_[node].next;
        if (nodes_[node].next != kEnd) {
            nodes_[nodes_[node].next].previous = nodes_[node].previous;
        }
    }
    void put_back(std::size_t node) {
        nodes_[nodes_[node].previous].next = node;
        if (nodes_[node].next != kEnd) {
            nodes_[nodes_[node].next].previous = node;
        }
    }
    void lift(std::size_t call) {
        cut(call);
        cut(return_of_[nodes_[call].op]);
    }
    void unlift(std::size_t call) {
        put_back(return_of_[nodes_[call].op]);
        put_back(call);
    }

    std::vector<const Op*> ops_;
    std::uint64_t steps_max_;
    std::uint64_t steps_{0};
    bool gave_up_{false};
    std::vector<Node> nodes_;
    std::vector<std::size_t> return_of_;
    std::vector<std::pair<std::size_t, std::uint32_t>> stack_;
    std::uint32_t state_{0};
    std::vector<std::string> states_;
    std::unordered_map<std::string, std::uint32_t> state_ids_;
    std::vector<std::uint64_t> taken_;
    std::unordered_map<
        std::uint64_t,
        std::vector<std::pair<std::vector<std::uint64_t>, std::uint32_t>>>
        seen_;
    std::size_t best_{0};
    std::size_t stuck_at_{0};
};

// Whether the order that the hints tell is one: every answer is what it gives, and nothing stands
// before what had ended when it began. If not, there may be another.
bool fits_hints(std::vector<const Op*> ops) {
    std::erase_if(ops, [](const Op* op) { return op->place == 0 && op->end == Instant::max(); });
    const auto rank = [](const Op* op) {
        return std::tuple(op->place, op->kind == OpKind::Get, op->begin);
    };
    std::ranges::sort(ops, [&](const Op* a, const Op* b) { return rank(a) < rank(b); });
    std::string value;
    Instant latest;
    for (const Op* op : ops) {
        latest = std::max(latest, op->begin);
        const std::string result = carry_out(op->kind, op->a, op->b, value);
        const bool answered = op->end != Instant::max();
        if (op->place == 0 || op->end < latest || (answered && result != op->result)) {
            return false;
        }
    }
    return true;
}

std::string_view shown(const std::string& text) {
    return text.empty() ? std::string_view("-") : std::string_view(text);
}

}  // namespace

std::string_view to_string(OpKind kind) {
    switch (kind) {
        case OpKind::Put:
            return "put";
        case OpKind::Get:
            return "get";
        case OpKind::Cas:
            return "cas";
        case OpKind::Append:
            return "append";
        case OpKind::Add:
            return "add";
        case OpKind::Delete:
            return "delete";
    }
    return "unknown";
}

std::string carry_out(OpKind kind, const std::string& a, const std::string& b, std::string& value) {
    switch (kind) {
        case OpKind::Put:
            value = a;
            return "";
        case OpKind::Get:
            return value;
        case OpKind::Cas:
            if (value != a) {
                return "no";
            }
            value = b;
            return "ok";
        case OpKind::Append:
            value += a + ",";
            return fmt::format("{}", std::count(value.begin(), value.end(), ','));
        case OpKind::Add:
            value = fmt::format("{}", to_number(value) + to_number(a));
            return value;
        case OpKind::Delete:
            if (value.empty()) {
                return "no";
            }
            value.clear();
            return "ok";
    }
    NL_UNREACHABLE();
}

std::string to_string(const Op& op) {
    return fmt::format(
        "{} {} {} {} {} {} {} {}",
        op.client,
        to_string(op.kind),
        op.key,
        shown(op.a),
        shown(op.b),
        op.begin.ns,
        op.end == Instant::max() ? "-" : fmt::format("{}", op.end.ns),
        shown(op.result)
    );
}

HistoryVerdict check_history(std::span<const Op> ops, std::uint64_t steps_max) {
    std::map<std::string_view, std::vector<const Op*>> keys;
    for (const Op& op : ops) {
        // A read without an answer says nothing and changes nothing.
        if (op.kind != OpKind::Get || op.end != Instant::max()) {
            keys[op.key].push_back(&op);
        }
    }
    HistoryVerdict verdict;
    for (auto& [key, of_key] : keys) {
        if (fits_hints(of_key)) {
            verdict.steps += of_key.size();
            continue;
        }
        Search search(std::move(of_key), steps_max);
        const bool placed = search.run();
        verdict.steps += search.steps();
        verdict.gave_up = verdict.gave_up || search.gave_up();
        if (!placed) {
            verdict.violation =
                fmt::format("what clients saw of \"{}\" fits no order:{}", key, search.story());
            return verdict;
        }
    }
    return verdict;
}

Result<std::vector<Op>> parse_history(std::string_view text) {
    std::vector<Op> ops;
    std::size_t number = 0;
    while (!text.empty()) {
        ++number;
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.empty() || line.front() == '#') {
            continue;
        }
        std::vector<std::string_view> words;
        while (!line.empty()) {
            const std::size_t space = line.find(' ');
            words.push_back(line.substr(0, space));
            line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
        }
        const auto kind = std::find_if(kKinds.begin(), kKinds.end(), [&](OpKind k) {
            return words.size() == 8 && to_string(k) == words[1];
        });
        if (kind == kKinds.end()) {
            return fail(
                ErrorCode::InvalidArgument,
                "line {} of the history is not \"client kind key a b begin end result\"",
                number
            );
        }
        const auto word = [&words](std::size_t i) {
            return words[i] == "-" ? std::string() : std::string(words[i]);
        };
        ops.push_back({
            .client = static_cast<std::uint64_t>(to_number(words[0])),
            .kind = *kind,
            .key = word(2),
            .a = word(3),
            .b = word(4),
            .begin = Instant{to_number(words[5])},
            .end = words[6] == "-" ? Instant::max() : Instant{to_number(words[6])},
            .result = word(7),
        });
    }
    return ops;
}

}  // namespace nl::sim

#pragma once
// The kinds of keys the indexes use. Each has a total order and an 8-byte prefix that agrees with
// it (a before b implies prefix(a) <= prefix(b)), so most comparisons in a tree never look at a
// row. Texts are borrowed: a key lives no longer than the row or argument it was made from.

#include "base/uuid.h"

#include <compare>
#include <cstdint>
#include <string_view>

namespace nl::state {

inline std::uint32_t first_bytes(const Uuid& id) {
    return static_cast<std::uint32_t>(id.bytes[0]) << 24 |
           static_cast<std::uint32_t>(id.bytes[1]) << 16 |
           static_cast<std::uint32_t>(id.bytes[2]) << 8 | id.bytes[3];
}

/// The first eight bytes of the texts one after another, each ended by a zero byte.
std::uint64_t text_prefix(
    std::string_view first, std::string_view second = {}, std::string_view third = {}
);

/// A stable 32-bit hash (FNV-1a) of two texts.
std::uint32_t pair_hash(std::string_view first, std::string_view second);

inline constexpr Uuid kLastUuid{
    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
};
/// After every text in UTF-8.
inline constexpr std::string_view kLastText = "\xff";

struct IdKey {
    Uuid id;

    std::uint64_t prefix() const {
        const Uuid tail{{id.bytes[4], id.bytes[5], id.bytes[6], id.bytes[7]}};
        return static_cast<std::uint64_t>(first_bytes(id)) << 32 | first_bytes(tail);
    }
    friend auto operator<=>(const IdKey&, const IdKey&) = default;
};

/// One to three texts, compared one after another.
struct TextKey {
    std::string_view first;
    std::string_view second;
    std::string_view third;

    std::uint64_t prefix() const { return text_prefix(first, second, third); }
    friend auto operator<=>(const TextKey&, const TextKey&) = default;
};

/// Two texts and a number: a version of a job.
struct VersionKey {
    std::string_view first;
    std::string_view second;
    std::uint64_t number;

    std::uint64_t prefix() const { return text_prefix(first, second); }
    friend auto operator<=>(const VersionKey&, const VersionKey&) = default;
};

/// What belongs to something with an id. The first halves of both ids come first in the order, so
/// that they fit into the prefix; entries of owners with equal first halves are mixed.
struct OwnedKey {
    std::uint32_t owner_first;
    std::uint32_t id_first;
    Uuid owner;
    Uuid id;

    static OwnedKey of(const Uuid& owner, const Uuid& id) {
        return {first_bytes(owner), first_bytes(id), owner, id};
    }
    std::uint64_t prefix() const {
        return static_cast<std::uint64_t>(owner_first) << 32 | id_first;
    }
    friend auto operator<=>(const OwnedKey&, const OwnedKey&) = default;
};

/// What belongs to a job; ordered by a hash of the job first, for the same reason.
struct JobOwnedKey {
    std::uint32_t job_hash;
    std::uint32_t id_first;
    std::string_view namespace_;
    std::string_view job_id;
    Uuid id;

    static JobOwnedKey of(std::string_view ns, std::string_view job, const Uuid& id) {
        return {pair_hash(ns, job), first_bytes(id), ns, job, id};
    }
    std::uint64_t prefix() const { return static_cast<std::uint64_t>(job_hash) << 32 | id_first; }
    friend auto operator<=>(const JobOwnedKey&, const JobOwnedKey&) = default;
};

/// What belongs to something with an id and is itself named by text.
struct OwnedTextKey {
    Uuid owner;
    std::string_view text;

    std::uint64_t prefix() const { return IdKey{owner}.prefix(); }
    friend auto operator<=>(const OwnedTextKey&, const OwnedTextKey&) = default;
};

/// The smallest and largest id whose text begins with `text` (hexadecimal digits and dashes as in
/// the 36-character form). False if no id does.
bool uuid_range(std::string_view text, Uuid& low, Uuid& high);

}  // namespace nl::state

#include "storage/log.h"

#include "base/check.h"
#include "base/codec.h"
#include "raft/planted.h"

#include <algorithm>
#include <utility>

namespace nl::storage {

namespace {

constexpr std::size_t kScanBytes = 4 << 20;
constexpr std::size_t kHeaderBytes = 5;

/// An entry's payload in a record; index and term are the record's own.
struct RecordBody {
    raft::EntryKind kind{raft::EntryKind::Noop};
    Uuid request;
    Bytes data;
    Index born;

    NL_FIELDS(RecordBody, (1, kind), (2, request), (3, data), (4, born))
};

struct HardStateBody {
    Term term;
    ServerId vote;
    Index commit;
    std::uint64_t sequence{0};
    Index repair_through;
    Term repair_term;

    NL_FIELDS(
        HardStateBody,
        (1, term),
        (2, vote),
        (3, commit),
        (4, sequence),
        (5, repair_through),
        (6, repair_term)
    )
};

void put_u32(Bytes& out, std::uint32_t v) {
    for (int i = 0; i < 4; ++i) {
        out.push_back(static_cast<char>(v >> (8 * i) & 0xff));
    }
}

std::uint32_t get_u32(BytesView in) {
    std::uint32_t v = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        v |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(in[i])) << (8 * i);
    }
    return v;
}

/// The checksum of a body at its position; the hard state's position is 0, 0.
std::uint32_t checksum(Index index, Term term, BytesView body) {
    Bytes position;
    codec::Writer w(position);
    w.fixed64(NL_PLANTED(checksum_without_place) ? 0 : index.value);
    w.fixed64(NL_PLANTED(checksum_without_place) ? 0 : term.value);
    return crc32c(body, crc32c(position));
}

Bytes seal(Index index, Term term, BytesView body) {
    Bytes out;
    out.reserve(kHeaderBytes + body.size());
    out.push_back(static_cast<char>(kLogFormatVersion));
    put_u32(out, checksum(index, term, body));
    out.append(body);
    return out;
}

/// The body, if version and checksum are right; else a reason.
std::expected<BytesView, std::string> unseal(Index index, Term term, BytesView bytes) {
    if (bytes.size() < kHeaderBytes) {
        return std::unexpected(fmt::format("has only {} bytes", bytes.size()));
    }
    const auto version = static_cast<std::uint8_t>(bytes.front());
    if (version != kLogFormatVersion) {
        return std::unexpected(
            fmt::format("is of format {}, known is {}", version, kLogFormatVersion)
        );
    }
    const BytesView body = bytes.substr(kHeaderBytes);
    if (get_u32(bytes.substr(1)) != checksum(index, term, body) && !NL_PLANTED(checksum_ignored)) {
        return std::unexpected("does not match its checksum");
    }
    return body;
}

}  // namespace

Bytes encode_record(const raft::Entry& entry) {
    const RecordBody body{
        .kind = entry.kind, .request = entry.request, .data = entry.data, .born = entry.born
    };
    return seal(entry.index, entry.term, encode(body));
}

Result<raft::Entry> decode_record(const env::LogRecord& record) {
    const auto body = unseal(record.index, record.term, record.data);
    if (!body) {
        return fail(ErrorCode::Corruption, "log entry {} {}", record.index, body.error());
    }
    auto parsed = decode<RecordBody>(*body);
    if (!parsed) {
        return fail(ErrorCode::Corruption, "log entry {} cannot be read", record.index);
    }
    if (parsed->kind == raft::EntryKind::Membership && !decode<raft::Membership>(parsed->data)) {
        return fail(
            ErrorCode::Corruption, "the membership in log entry {} cannot be read", record.index
        );
    }
    return raft::Entry{
        .index = record.index,
        .term = record.term,
        .kind = parsed->kind,
        .request = parsed->request,
        .data = std::move(parsed->data),
        .born = parsed->born,
    };
}

Bytes encode_hard_state(const StoredHardState& stored) {
    const HardStateBody body{
        .term = stored.hard.term,
        .vote = stored.hard.vote,
        .commit = stored.hard.commit,
        .sequence = stored.sequence,
        .repair_through =
            NL_PLANTED(repair_forgotten) ? Index{0} : stored.hard.repair_through,
        .repair_term = stored.hard.repair_term,
    };
    return seal({}, {}, encode(body));
}

Result<StoredHardState> decode_hard_state(BytesView bytes) {
    const auto body = unseal({}, {}, bytes);
    if (!body) {
        return fail(ErrorCode::Corruption, "the record of term and vote {}", body.error());
    }
    NL_TRY(const auto parsed, decode<HardStateBody>(*body));
    return StoredHardState{
        .hard =
            {
                .term = parsed.term,
                .vote = parsed.vote,
                .commit = parsed.commit,
                .repair_through = parsed.repair_through,
                .repair_term = parsed.repair_term,
            },
        .sequence = parsed.sequence,
    };
}

void Log::append(
    const std::optional<raft::HardState>& hard,
    const std::vector<raft::Entry>& entries,
    Ticket ticket
) {
    env::LogBatch batch;
    if (hard) {
        batch.hard_state = encode_hard_state({.hard = *hard, .sequence = ++sequence_});
    }
    batch.records.reserve(entries.size());
    for (const raft::Entry& entry : entries) {
        batch.records.push_back(
            {.index = entry.index, .term = entry.term, .data = encode_record(entry)}
        );
    }
    store_->append(std::move(batch), ticket);
}

Result<std::vector<raft::Entry>> Log::read(Index first, Index last, std::size_t bytes_max) const {
    NL_TRY(const auto records, store_->read(first, last, bytes_max));
    std::vector<raft::Entry> out;
    out.reserve(records.size());
    Index expected = first;
    for (const env::LogRecord& record : records) {
        if (record.index != expected) {
            return fail(
                ErrorCode::Corruption,
                "log entry {} stands where {} should be",
                record.index,
                expected
            );
        }
        NL_TRY(raft::Entry entry, decode_record(record));
        out.push_back(std::move(entry));
        ++expected;
    }
    if (out.empty() && first <= last) {
        return fail(ErrorCode::NotFound, "log entry {} is not there", first);
    }
    return out;
}

// Every entry of the store: terms, memberships, and where the first damaged one is.
Result<void> Log::scan(const env::Recovered& recovered, Opened& opened) {
    raft::LogStart& start = opened.start;
    start.last = recovered.last;
    Index next = recovered.first;
    const auto damaged_from = [&](Index at, std::string reason) {
        opened.damaged.push_back({.first = at, .last = recovered.last, .reason = std::move(reason)}
        );
        start.last = at - 1;
    };
    while (next <= start.last) {
        const auto records = store_->read(next, start.last, kScanBytes);
        if (!records || records->empty()) {
            damaged_from(next, records ? "entries are missing" : records.error().message);
            break;
        }
        for (const env::LogRecord& record : *records) {
            auto entry = decode_record(record);
            const bool in_order = record.index == next &&
                                  (start.runs.empty() || record.term >= start.runs.back().term);
            if (!entry || !in_order) {
                damaged_from(next, entry ? "entries are out of order" : entry.error().message);
                break;
            }
            if (start.runs.empty() || start.runs.back().term != entry->term) {
                start.runs.push_back({.first = entry->index, .term = entry->term});
            }
            if (entry->kind == raft::EntryKind::Membership) {
                NL_TRY(auto membership, decode<raft::Membership>(entry->data));
                start.memberships.push_back(
                    {.index = entry->index, .membership = std::move(membership)}
                );
            }
            ++next;
        }
    }
    return {};
}

namespace {

std::optional<Term> term_of(const raft::LogStart& start, Index first, Index index) {
    if (index < first || index > start.last) {
        return std::nullopt;
    }
    Term term;
    for (const raft::TermRun& run : start.runs) {
        if (run.first <= index) {
            term = run.term;
        }
    }
    return term;
}

/// The log is seen from `base` on.
void rebase(raft::LogStart& start, Index base, Term term) {
    start.base = base;
    start.base_term = term;
    while (start.runs.size() > 1 && start.runs[1].first <= base.next()) {
        start.runs.erase(start.runs.begin());
    }
    if (start.last <= base) {
        start.last = base;
        start.runs.clear();
    } else {
        start.runs.front().first = std::max(start.runs.front().first, base.next());
    }
}

}  // namespace

// Log and snapshot must join without a gap (a snapshot may reach into the log or, after a crash
// while one was installed, beyond it).
Result<void> Log::fit(
    const env::Recovered& recovered, const env::SnapshotMeta& snapshot, Opened& opened
) {
    raft::LogStart& start = opened.start;
    NL_TRY(start.base_membership, decode<raft::Membership>(snapshot.membership));
    start.base_membership_index = snapshot.index;
    start.applied = snapshot.index;
    if (opened.hard.term < snapshot.term) {
        // The snapshot came from a later term than was made durable here, so no vote was given in
        // it.
        opened.hard.term = snapshot.term;
        opened.hard.vote = raft::kNobody;
    }
    std::erase_if(start.memberships, [&](const raft::MembershipAt& at) {
        return at.index <= snapshot.index;
    });
    const Index first = recovered.first;
    const auto term_there = term_of(start, first, snapshot.index);
    if (first == snapshot.index.next()) {
        rebase(start, snapshot.index, snapshot.term);
    } else if (term_there == snapshot.term) {
        if (first == Index{1}) {
            rebase(start, Index{0}, Term{0});
        } else {
            // The term before the first entry is not known; it serves as the base itself.
            rebase(start, first, *term_of(start, first, first));
        }
    } else {
        if (first > snapshot.index) {
            // What the log builds on is lost; only the other servers can say what it was.
            opened.damaged.push_back({
                .first = snapshot.index.next(),
                .last = std::max(recovered.last, snapshot.index.next()),
                .reason = fmt::format(
                    "the log begins at entry {}, the newest snapshot ends at {}",
                    first,
                    snapshot.index
                ),
            });
        }
        opened.needs_reset = true;
        start.runs.clear();
        start.memberships.clear();
        start.last = snapshot.index;
        rebase(start, snapshot.index, snapshot.term);
    }
    return {};
}

Result<Opened> Log::open(const std::optional<env::SnapshotMeta>& snapshot) {
    NL_TRY(const env::Recovered recovered, store_->recover());
    if (snapshot && recovered.fresh) {
        return fail(
            ErrorCode::Corruption,
            "there is a snapshot at {} but the log is gone, and with it this server's vote; move "
            "the data directory away and let "
            "the server join anew",
            snapshot->index
        );
    }
    Opened opened;
    opened.damaged = recovered.damaged;
    if (recovered.hard_state) {
        NL_TRY(const auto stored, decode_hard_state(*recovered.hard_state));
        opened.hard = stored.hard;
        sequence_ = stored.sequence;
    } else if (recovered.first <= recovered.last) {
        return fail(
            ErrorCode::Corruption,
            "the log holds entries {} to {} but no term and vote; move the log away and let the "
            "server join anew",
            recovered.first,
            recovered.last
        );
    }
    NL_TRY_VOID(scan(recovered, opened));
    if (snapshot) {
        NL_TRY_VOID(fit(recovered, *snapshot, opened));
    } else if (recovered.first > Index{1}) {
        return fail(
            ErrorCode::Corruption,
            "the log begins at entry {} and there is no snapshot of what came before; move the "
            "data directory away and let "
            "the server join anew",
            recovered.first
        );
    }
    for (const env::DamagedRange& range : opened.damaged) {
        if (range.last > opened.start.applied && !NL_PLANTED(damage_is_torn_tail)) {
            opened.start.repair_through = std::max(opened.start.repair_through, range.last);
        }
    }
    const Term last_term =
        opened.start.runs.empty() ? opened.start.base_term : opened.start.runs.back().term;
    if (opened.hard.term < last_term) {
        return fail(
            ErrorCode::Corruption,
            "the stored term {} is older than the log's last entry (term {})",
            opened.hard.term,
            last_term
        );
    }
    return opened;
}

}  // namespace nl::storage

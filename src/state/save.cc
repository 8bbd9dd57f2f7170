#include "base/codec.h"
#include "state/saved.h"
#include "state/store.h"
#include "state/version.h"

#include <unordered_map>

namespace nl::state {
namespace saved {

Alloc record_of(const AllocRow& row) {
    const AllocView view(row);
    Alloc record;
    record.id = row.id;
    record.eval_id = row.eval_id;
    record.deployment_id = row.deployment_id;
    if (row.details != nullptr) {
        record.details = *row.details;
    }
    record.desired_description = view.desired_description();
    record.client_description = view.client_description();
    record.task_states.bytes = row.task_states.bytes();
    record.create_index = row.create_index;
    record.modify_index = row.modify_index;
    record.alloc_modify_index = row.alloc_modify_index;
    record.create_time = row.create_time;
    record.modify_time = row.modify_time;
    record.name_index = row.name_index;
    record.score = static_cast<double>(row.score);
    record.desired = row.desired;
    record.client = row.client;
    return record;
}

}  // namespace saved

namespace {

using saved::Kind;

void put_u32(Bytes& out, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) {
        out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
    }
}

/// Gathers records into blocks of length, checksum and payload.
class BlockWriter {
public:
    explicit BlockWriter(const Store::Sink& sink) : sink_(sink) {}

    Result<void> magic() { return sink_(saved::kMagic); }
    template <class Record>
    Result<void> put(Kind kind, const Record& record) {
        codec::Writer w(block_);
        w.varint(static_cast<std::uint64_t>(kind));
        w.sized(encode(record));
        return block_.size() >= saved::kBlockBytes ? flush() : Result<void>{};
    }
    Result<void> flush() {
        if (block_.empty()) {
            return {};
        }
        Bytes out;
        out.reserve(block_.size() + 8);
        put_u32(out, static_cast<std::uint32_t>(block_.size()));
        put_u32(out, crc32c(block_));
        out += block_;
        block_.clear();
        return sink_(out);
    }

private:
    const Store::Sink& sink_;
    Bytes block_;
};

class Saver {
public:
    Saver(const Tables& tables, const Store::Sink& sink) : tables_(tables), out_(sink) {}

    Result<void> run() {
        NL_TRY_VOID(out_.magic());
        saved::Header header;
        header.index = tables_.index;
        header.changed.assign(tables_.changed.begin(), tables_.changed.end());
        NL_TRY_VOID(out_.put(Kind::Header, header));
        Result<void> result;
        visit_tables(tables_, [&](TableId id, const auto& table) {
            if (result) {
                result = save_table(id, table);
            }
        });
        NL_TRY_VOID(result);
        NL_TRY_VOID(out_.put(Kind::End, saved::End{rows_}));
        return out_.flush();
    }

private:
    template <class Table>
    Result<void> save_table(TableId id, const Table& table) {
        for (const auto& row : table.ordered()) {
            saved::Row record;
            record.table = static_cast<std::uint64_t>(id);
            record.row.bytes = encode(row);
            NL_TRY_VOID(out_.put(Kind::Row, record));
            ++rows_;
        }
        return {};
    }

    Result<void> save_table(TableId, const AllocTable& table) {
        for (const AllocView alloc : table.ordered()) {
            const AllocRow& row = alloc.row();
            saved::Alloc record = saved::record_of(row);
            NL_TRY(record.share, share_number(row));
            NL_TRY(record.node, number(nodes_, Kind::NodeTag, row.node.get()));
            NL_TRY(record.metrics, number(metrics_, Kind::Metric, row.metrics.get()));
            NL_TRY_VOID(out_.put(Kind::Alloc, record));
            ++rows_;
        }
        return {};
    }

    template <class T>
    using Numbers = std::unordered_map<const T*, std::uint64_t>;

    /// The number of a shared part; its record is written the first time.
    template <class T>
    Result<std::uint64_t> number(Numbers<T>& numbers, Kind kind, const T* part) {
        if (part == nullptr) {
            return 0;
        }
        const auto [place, fresh] = numbers.try_emplace(part, numbers.size() + 1);
        if (fresh) {
            NL_TRY_VOID(out_.put(kind, *part));
        }
        return place->second;
    }

    Result<std::uint64_t> share_number(const AllocRow& row) {
        const GroupShare& share = *row.share;
        const auto [place, fresh] = shares_.try_emplace(&share, shares_.size() + 1);
        if (fresh) {
            saved::Share record;
            record.group = share.group;
            const model::Job& job = *share.job;
            const JobVersionRow* kept =
                tables_.job_versions.find<VersionById>({job.namespace_, job.id, job.version});
            if (kept != nullptr && kept->job == share.job) {
                record.namespace_ = job.namespace_;
                record.job_id = job.id;
                record.version = job.version;
            } else {
                const auto [known, first] = jobs_.try_emplace(&job, jobs_.size() + 1);
                if (first) {
                    NL_TRY_VOID(out_.put(Kind::Job, job));
                }
                record.job = known->second;
            }
            NL_TRY_VOID(out_.put(Kind::Share, record));
        }
        return place->second;
    }

    const Tables& tables_;
    BlockWriter out_;
    Numbers<model::Job> jobs_;
    Numbers<GroupShare> shares_;
    Numbers<NodeTag> nodes_;
    Numbers<model::AllocMetric> metrics_;
    std::uint64_t rows_ = 0;
};

class StateHash {
public:
    void add(BytesView bytes) {
        add_number(bytes.size());
        for (const char c : bytes) {
            mix(static_cast<std::uint8_t>(c));
        }
    }
    void add_number(std::uint64_t number) {
        for (int i = 0; i < 8; ++i) {
            mix(static_cast<std::uint8_t>(number >> (8 * i)));
        }
    }
    std::uint64_t value() const { return value_; }

private:
    void mix(std::uint8_t byte) { value_ = (value_ ^ byte) * 1099511628211ULL; }

    std::uint64_t value_ = 14695981039346656037ULL;
};

template <class Row>
void add_row(StateHash& hash, const Row& row) {
    hash.add(encode(row));
}

void add_row(StateHash& hash, AllocView alloc) {
    const AllocRow& row = alloc.row();
    hash.add(encode(saved::record_of(row)));
    hash.add(encode(*row.share->job));
    hash.add_number(row.share->group);
    hash.add(encode(*row.node));
    hash.add(row.metrics == nullptr ? Bytes() : encode(*row.metrics));
}

}  // namespace

Result<void> Store::save(const Snapshot& snapshot, const Sink& sink) {
    return Saver(snapshot.tables(), sink).run();
}

std::uint64_t state_hash(const Snapshot& snapshot) {
    StateHash hash;
    const Tables& tables = snapshot.tables();
    hash.add_number(tables.index.value);
    for (const Index changed : tables.changed) {
        hash.add_number(changed.value);
    }
    visit_tables(tables, [&](TableId id, const auto& table) {
        hash.add_number(static_cast<std::uint64_t>(id));
        for (const auto& row : table.ordered()) {
            add_row(hash, row);
        }
    });
    return hash.value();
}

}  // namespace nl::state

#include "state/load.h"

#include "base/check.h"
#include "base/codec.h"
#include "state/saved.h"
#include "state/store.h"

#include <optional>
#include <utility>

namespace nl::state {
namespace {

using saved::Kind;

template <class T>
std::unique_ptr<const T> row_of(T value) {
    return std::make_unique<const T>(std::move(value));
}

std::uint32_t get_u32(BytesView raw) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i) {
        value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(raw[i])) << (8 * i);
    }
    return value;
}

/// Checked blocks out of a source that gives bytes as it likes.
class BlockReader {
public:
    explicit BlockReader(const Store::Source& source) : source_(source) {}

    Result<void> magic() {
        NL_TRY(const Bytes raw, exactly(saved::kMagic.size(), "the beginning"));
        if (raw != saved::kMagic) {
            return fail(ErrorCode::Corruption, "this is no saved state of nomad-lite");
        }
        return {};
    }

    Result<Bytes> next() {
        ++number_;
        NL_TRY(const Bytes head, exactly(8, "a block's head"));
        const std::uint32_t size = get_u32(BytesView(head).substr(0, 4));
        if (size > saved::kMaxBlockBytes) {
            return fail(
                ErrorCode::Corruption, "block {} of the saved state has a damaged length", number_
            );
        }
        NL_TRY(Bytes block, exactly(size, "a block"));
        if (crc32c(block) != get_u32(BytesView(head).substr(4, 4))) {
            return fail(
                ErrorCode::Corruption, "block {} of the saved state fails its checksum", number_
            );
        }
        return block;
    }

    std::uint64_t number() const { return number_; }

private:
    Result<Bytes> exactly(std::size_t size, std::string_view what) {
        while (pending_.size() < size) {
            NL_TRY(const Bytes more, source_(size - pending_.size()));
            if (more.empty()) {
                return fail(
                    ErrorCode::Corruption,
                    "the saved state ends within {} (block {})",
                    what,
                    number_
                );
            }
            pending_ += more;
        }
        Bytes out = pending_.substr(0, size);
        pending_.erase(0, size);
        return out;
    }

    const Store::Source& source_;
    Bytes pending_;
    std::uint64_t number_ = 0;
};

class Loader {
public:
    Loader(Core& core, const Store::Source& source)
        : heap_(core.heap), tables_(core.tables), in_(source) {}

    Result<void> run() {
        NL_TRY_VOID(in_.magic());
        while (!done_) {
            NL_TRY(const Bytes block, in_.next());
            codec::Reader r(block);
            while (!r.done() && !done_) {
                const auto kind = static_cast<Kind>(r.varint());
                const BytesView record = r.sized();
                if (r.failed()) {
                    return damaged("has a record that does not fit");
                }
                NL_TRY_VOID(take(kind, record));
            }
        }
        return {};
    }

private:
    std::unexpected<Error> damaged(std::string_view how) const {
        return fail(ErrorCode::Corruption, "block {} of the saved state {}", in_.number(), how);
    }

    Result<void> take(Kind kind, BytesView bytes) {
        switch (kind) {
            case Kind::Header: {
                NL_TRY(const saved::Header header, decode<saved::Header>(bytes));
                tables_.index = header.index;
                for (std::size_t i = 0; i < header.changed.size() && i < kTableCount; ++i) {
                    tables_.changed[i] = header.changed[i];
                }
                return {};
            }
            case Kind::Row: {
                NL_TRY(const saved::Row row, decode<saved::Row>(bytes));
                return take_row(row);
            }
            case Kind::Job: {
                NL_TRY(model::Job job, decode<model::Job>(bytes));
                jobs_.push_back(std::make_shared<const model::Job>(std::move(job)));
                return {};
            }
            case Kind::Share: {
                NL_TRY(const saved::Share share, decode<saved::Share>(bytes));
                return take_share(share);
            }
            case Kind::NodeTag: {
                NL_TRY(NodeTag tag, decode<NodeTag>(bytes));
                nodes_.push_back(std::make_shared<const NodeTag>(std::move(tag)));
                return {};
            }
            case Kind::Metric: {
                NL_TRY(model::AllocMetric metric, decode<model::AllocMetric>(bytes));
                metrics_.push_back(std::make_shared<const model::AllocMetric>(std::move(metric)));
                return {};
            }
            case Kind::Alloc: {
                NL_TRY(saved::Alloc alloc, decode<saved::Alloc>(bytes));
                return take_alloc(std::move(alloc));
            }
            case Kind::End: {
                NL_TRY(const saved::End end, decode<saved::End>(bytes));
                if (end.rows != rows_) {
                    return damaged("counts other rows than there were");
                }
                done_ = true;
                return {};
            }
        }
        // A record of a newer version that an older one may pass over.
        return {};
    }

    Result<void> take_row(const saved::Row& row) {
        Result<void> result = {};
        visit_tables(tables_, [&](TableId id, auto& table) {
            if (static_cast<std::uint64_t>(id) == row.table) {
                result = insert(table, row.row.bytes);
            }
        });
        ++rows_;
        return result;
    }

    template <class Table>
    Result<void> insert(Table& table, BytesView bytes) {
        NL_TRY(typename Table::Row row, decode<typename Table::Row>(bytes));
        if (table.slot_of_row(row) != kNoSlot) {
            return damaged("has a row twice");
        }
        table.insert(heap_, row_of(std::move(row)));
        return {};
    }

    Result<void> insert(AllocTable&, BytesView) {
        return damaged("has an allocation in the wrong form");
    }

    Result<void> insert(NodeTable& table, BytesView bytes) {
        NL_TRY(model::Node node, decode<model::Node>(bytes));
        if (table.slot_of_row(node) != kNoSlot) {
            return damaged("has a node twice");
        }
        auto row = row_of(std::move(node));
        const model::Node& stored = *row;
        const Slot slot = table.insert(heap_, std::move(row));
        tables_.columns.set_node(
            heap_,
            slot,
            stored,
            {word(stored.computed_class),
             word(stored.node_class),
             word(stored.datacenter),
             word(stored.node_pool)}
        );
        return {};
    }

    Result<void> insert(JobTable& table, BytesView bytes) {
        NL_TRY(JobRow row, decode<JobRow>(bytes));
        if (row.job == nullptr || table.slot_of_row(row) != kNoSlot) {
            return damaged("has a job that is empty or there twice");
        }
        table.insert(heap_, row_of(std::move(row)));
        return {};
    }

    Result<void> insert(JobVersionTable& table, BytesView bytes) {
        NL_TRY(JobVersionRow row, decode<JobVersionRow>(bytes));
        if (row.job == nullptr || table.slot_of_row(row) != kNoSlot) {
            return damaged("has a job version that is empty or there twice");
        }
        const JobRow* newest = tables_.jobs.find<JobById>({row.job->namespace_, row.job->id, {}});
        if (newest != nullptr && *newest->job == *row.job) {
            row.job = newest->job;
        }
        for (std::uint32_t group = 0; group < row.job->task_groups.size(); ++group) {
            row.groups.push_back(make_group_share(row.job, group));
        }
        table.insert(heap_, row_of(std::move(row)));
        return {};
    }

    std::uint32_t word(std::string_view text) {
        const Slot known = tables_.words.slot_of<ByText<WordRow, &WordRow::text>>({text, {}, {}});
        return known != kNoSlot ? known
                                : tables_.words.insert(heap_, row_of(WordRow{std::string(text)}));
    }

    Result<void> take_share(const saved::Share& record) {
        if (record.job == 0) {
            const JobVersionRow* kept = tables_.job_versions.find<VersionById>(
                {record.namespace_, record.job_id, record.version}
            );
            if (kept == nullptr || record.group >= kept->groups.size()) {
                return damaged("names a job version that is not there");
            }
            shares_.push_back(kept->groups[record.group]);
            return {};
        }
        if (record.job > jobs_.size() ||
            record.group >= jobs_[record.job - 1]->task_groups.size()) {
            return damaged("names a job that is not there");
        }
        shares_.push_back(make_group_share(jobs_[record.job - 1], record.group));
        return {};
    }

    Result<void> take_alloc(saved::Alloc record) {
        ++rows_;
        if (record.share == 0 || record.share > shares_.size() || record.node == 0 ||
            record.node > nodes_.size() || record.metrics > metrics_.size()) {
            return damaged("has an allocation that names what is not there");
        }
        AllocRow row{};
        row.id = record.id;
        row.eval_id = record.eval_id;
        row.deployment_id = record.deployment_id;
        row.share = shares_[record.share - 1];
        row.node = nodes_[record.node - 1];
        row.metrics = record.metrics == 0 ? nullptr : metrics_[record.metrics - 1];
        AllocDetails details = record.details ? std::move(*record.details) : AllocDetails{};
        set_desired_description(row, details, record.desired_description);
        set_client_description(row, details, record.client_description);
        if (details != AllocDetails{}) {
            row.details = std::make_shared<const AllocDetails>(std::move(details));
        }
        auto states = PackedStates::from_bytes(record.task_states.bytes);
        if (!states) {
            return damaged("has an allocation with damaged task states");
        }
        row.task_states = std::move(*states);
        row.create_index = record.create_index;
        row.modify_index = record.modify_index;
        row.alloc_modify_index = record.alloc_modify_index;
        row.create_time = record.create_time;
        row.modify_time = record.modify_time;
        row.name_index = record.name_index;
        row.score = static_cast<float>(record.score);
        row.desired = record.desired;
        row.client = record.client;
        if (tables_.allocs.slot_of_row(row) != kNoSlot) {
            return damaged("has an allocation twice");
        }
        const AllocView view(row);
        const Slot node = tables_.nodes.slot_of<NodeById>({view.node_id()});
        if (node != kNoSlot && !view.terminal()) {
            tables_.columns.use(heap_, node, view.takes(), 1);
        }
        tables_.allocs.insert(heap_, row_of(std::move(row)));
        return {};
    }

    Heap& heap_;
    Tables& tables_;
    BlockReader in_;
    std::vector<std::shared_ptr<const model::Job>> jobs_;
    std::vector<std::shared_ptr<const GroupShare>> shares_;
    std::vector<std::shared_ptr<const NodeTag>> nodes_;
    std::vector<std::shared_ptr<const model::AllocMetric>> metrics_;
    std::uint64_t rows_ = 0;
    bool done_ = false;
};

}  // namespace

void seed_defaults(Core& core) {
    Tables& t = core.tables;
    model::Namespace ns;
    ns.name = "default";
    ns.description = "Default shared namespace";
    t.namespaces.insert(core.heap, row_of(std::move(ns)));
    model::NodePool pool;
    pool.name = "default";
    pool.description = "Default node pool.";
    t.node_pools.insert(core.heap, row_of(pool));
    pool.name = "all";
    pool.description = "Node pool with all nodes in the cluster.";
    t.node_pools.insert(core.heap, row_of(pool));

    model::SchedulerConfiguration scheduler;
    scheduler.scheduler_algorithm = "binpack";
    scheduler.preemption_config.ensure().system_scheduler_enabled = true;
    t.scheduler_config.insert(core.heap, row_of(std::move(scheduler)));
    model::AutopilotConfiguration autopilot;
    autopilot.cleanup_dead_servers = true;
    autopilot.last_contact_threshold = milliseconds(200);
    autopilot.max_trailing_logs = 250;
    autopilot.server_stabilization_time = seconds(10);
    t.autopilot_config.insert(core.heap, row_of(std::move(autopilot)));
    t.cluster_meta.insert(core.heap, row_of(ClusterMeta{}));
}

Result<Store> Store::load(const Source& source) {
    auto core = std::make_unique<Core>();
    NL_TRY_VOID(Loader(*core, source).run());
    // Written by every version, so their absence is damage that no block shows.
    if (core->tables.scheduler_config.size() != 1 || core->tables.autopilot_config.size() != 1 ||
        core->tables.cluster_meta.size() != 1) {
        return fail(ErrorCode::Corruption, "the saved state lacks the cluster's configuration");
    }
    return Store(core.release());
}

}  // namespace nl::state

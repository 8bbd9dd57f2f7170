#include "api/listing.h"

#include "api/access.h"
#include "api/task_messages.h"
#include "expr/filter_fields.h"
#include "model/allocation.h"
#include "wire/partial.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace nl::api {

Result<expr::Filter> list_filter(const ReadOptions& options) {
    auto filter = expr::Filter::parse(options.filter);
    if (!filter) {
        return fail(
            ErrorCode::InvalidArgument,
            "failed to create result paginator: failed to read filter expression: {}",
            filter.error().message
        );
    }
    return filter;
}

bool visible(
    const Context& context,
    std::string_view asked,
    std::string_view ns,
    policy::CapabilitySet any_of
) {
    return asked == kAllNamespaces ? may(context, ns, any_of) : asked == ns;
}

state::WatchKey watch_list(state::TableId table, std::string_view ns) {
    return ns == kAllNamespaces ? state::watch_table(table) : state::watch_namespace(table, ns);
}

model::JobListStub job_stub(
    const model::Job& job, const model::JobSummary* summary, bool with_meta
) {
    model::JobListStub stub;
    stub.id = job.id;
    stub.parent_id = job.parent_id;
    stub.name = job.name;
    stub.namespace_ = job.namespace_;
    stub.datacenters = job.datacenters;
    stub.node_pool = job.node_pool;
    stub.multiregion = job.multiregion;
    stub.type = job.type;
    stub.priority = job.priority;
    stub.periodic = job.periodic.has_value();
    stub.parameterized_job = job.parameterized_job.has_value();
    stub.stop = job.stop;
    stub.status = job.status;
    stub.status_description = job.status_description;
    if (summary != nullptr) {
        stub.job_summary = *summary;
    }
    stub.create_index = job.create_index;
    stub.modify_index = job.modify_index;
    stub.job_modify_index = job.job_modify_index;
    stub.submit_time = job.submit_time;
    if (with_meta) {
        stub.meta = job.meta;
    }
    return stub;
}

Result<Look> list_jobs(
    const Context& context,
    const std::vector<const model::Job*>& jobs,
    const ReadOptions& options,
    bool with_meta
) {
    const std::vector<std::string> fields = expr::filter_fields(options.filter);
    return list_page(
        jobs,
        options,
        TokenKind::Text,
        [](const model::Job* job) { return SortToken{0, job->namespace_ + "." + job->id}; },
        [&](const model::Job* job) { return wire::to_partial_value(*job, fields); },
        [&](std::string& out, const model::Job* job) {
            const auto* summary = context.state.job_summary(job->namespace_, job->id);
            wire::append_json(out, job_stub(*job, summary, with_meta));
        }
    );
}

model::NodeListStub node_stub(const model::Node& node, NodeStubOptions options) {
    model::NodeListStub stub;
    stub.address = node.http_addr.substr(0, node.http_addr.rfind(':'));
    stub.id = node.id;
    if (options.os) {
        if (const auto os = node.attributes.find("os.name"); os != node.attributes.end()) {
            stub.attributes.insert(*os);
        }
    }
    stub.datacenter = node.datacenter;
    stub.name = node.name;
    stub.node_pool = node.node_pool;
    stub.node_class = node.node_class;
    if (const auto found = node.attributes.find("nomad.version"); found != node.attributes.end()) {
        stub.version = found->second;
    }
    stub.drain = node.drain_strategy.has_value();
    stub.scheduling_eligibility = node.scheduling_eligibility;
    stub.status = node.status;
    stub.status_description = node.status_description;
    stub.drivers = node.drivers;
    stub.host_volumes = node.host_volumes;
    if (options.resources) {
        stub.node_resources = node.node_resources;
        stub.reserved_resources = node.reserved_resources;
    }
    stub.last_drain = node.last_drain;
    stub.create_index = node.create_index;
    stub.modify_index = node.modify_index;
    return stub;
}

Result<Look> list_nodes(
    std::vector<const model::Node*> nodes, const ReadOptions& options, NodeStubOptions stubs
) {
    sort_by(nodes, false, [](const model::Node* node) { return node->id; });
    const std::vector<std::string> fields = expr::filter_fields(options.filter);
    return list_page(
        nodes,
        options,
        TokenKind::Text,
        [](const model::Node* node) { return SortToken{0, node->id.str()}; },
        [&](const model::Node* node) { return wire::to_partial_value(*node, fields); },
        [&](std::string& out, const model::Node* node) {
            wire::append_json(out, node_stub(*node, stubs));
        }
    );
}

Result<AllocStubOptions> alloc_stub_options(const Request& request) {
    AllocStubOptions out;
    NL_TRY(out.resources, flag(request, "resources"));
    NL_TRY(out.task_states, flag(request, "task_states", true));
    return out;
}

namespace {

using AllocPlace = std::pair<Index, Uuid>;

AllocPlace place_of(const state::AllocView& alloc, bool by_id) {
    return {by_id ? Index(0) : alloc.create_index(), alloc.id()};
}

/// Where a page begins; nothing for the beginning, or for a token that is none.
std::optional<AllocPlace> start_of_page(const std::string& token, bool by_id) {
    const std::size_t dot = by_id ? std::string::npos : token.find('.');
    AllocPlace out;
    if (!by_id) {
        const char* end = token.data() + std::min(dot, token.size());
        const auto [at, failed] = std::from_chars(token.data(), end, out.first.value);
        if (failed != std::errc() || at != end || dot == std::string::npos) {
            return {};
        }
    }
    const auto id = Uuid::parse(by_id ? token : token.substr(dot + 1));
    if (!id) {
        return {};
    }
    out.second = *id;
    return out;
}

/// Puts allocations into the order of the list. Of a page only what may stand on it is kept: a
/// hundred thousand rows are not sorted to show a hundred.
void sort_page(std::vector<state::AllocView>& allocs, const ReadOptions& options, bool by_id) {
    const auto before = [&](const state::AllocView& a, const state::AllocView& b) {
        return options.reverse ? place_of(b, by_id) < place_of(a, by_id)
                               : place_of(a, by_id) < place_of(b, by_id);
    };
    std::size_t wanted = allocs.size();
    if (options.per_page > 0 && options.filter.empty()) {
        if (const auto start = start_of_page(options.next_token, by_id)) {
            std::erase_if(allocs, [&](const state::AllocView& alloc) {
                const AllocPlace place = place_of(alloc, by_id);
                return options.reverse ? *start < place : place < *start;
            });
        }
        // One more than the page, which the next one begins with.
        wanted = options.per_page < allocs.size() ? options.per_page + 1 : allocs.size();
    }
    if (wanted == allocs.size()) {
        std::sort(allocs.begin(), allocs.end(), before);
        return;
    }
    const auto end = allocs.begin() + static_cast<std::ptrdiff_t>(wanted);
    std::partial_sort(allocs.begin(), end, allocs.end(), before);
    allocs.erase(end, allocs.end());
}

}  // namespace

Result<Look> list_allocs(
    std::vector<state::AllocView> allocs, const ReadOptions& options, AllocStubOptions stubs
) {
    const bool by_id = !options.prefix.empty();
    sort_page(allocs, options, by_id);
    const std::vector<std::string> fields = expr::filter_fields(options.filter);
    return list_page(
        allocs,
        options,
        by_id ? TokenKind::Text : TokenKind::NumberText,
        [by_id](const state::AllocView& alloc) {
            return SortToken{by_id ? 0 : alloc.create_index().value, alloc.id().str()};
        },
        [&](const state::AllocView& alloc) {
            return wire::to_partial_value(alloc.expand(), fields);
        },
        [&](std::string& out, const state::AllocView& alloc) {
            model::AllocListStub stub = alloc.stub();
            if (!stubs.resources) {
                stub.allocated_resources.reset();
            } else if (!stub.allocated_resources) {
                stub.allocated_resources = alloc.expand().allocated_resources;
            }
            if (stubs.task_states) {
                fill_display_messages(stub.task_states);
            } else {
                stub.task_states.clear();
            }
            wire::append_json(out, stub);
        }
    );
}

std::vector<state::AllocView> views(const state::Range<state::AllocRow>& allocs) {
    std::vector<state::AllocView> out;
    for (const state::AllocView alloc : allocs) {
        out.push_back(alloc);
    }
    return out;
}

}  // namespace nl::api

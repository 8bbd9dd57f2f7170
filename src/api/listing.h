#pragma once
// Lists shared by several routes: rows filtered, paged and written as JSON; stubs of jobs and
// nodes. Source: Nomad HTTP API, 0.7 and 0.8.

#include "api/context.h"
#include "api/reading.h"
#include "expr/filter.h"
#include "model/job_answers.h"
#include "model/node_answers.h"
#include "policy/capability.h"
#include "state/snapshot.h"
#include "wire/json.h"

#include <string>
#include <utility>
#include <vector>

namespace nl::api {

/// Errors: InvalidArgument (400) with the text of Nomad's lists.
Result<expr::Filter> list_filter(const ReadOptions& options);

/// One page of items that are in order already. `token` says where an item stands, `whole` gives
/// what the filter looks at, `append` writes its JSON.
template <class Item, class Token, class Whole, class Append>
Result<Look> list_page(
    const std::vector<Item>& items,
    const ReadOptions& options,
    TokenKind kind,
    const Token& token,
    const Whole& whole,
    const Append& append
) {
    NL_TRY(const expr::Filter filter, list_filter(options));
    Page page(options, kind);
    for (const Item& item : items) {
        if (page.done()) {
            break;
        }
        if (!filter.matches_all() && !filter.matches(whole(item))) {
            continue;
        }
        if (page.offer(token(item))) {
            append(page.item(), item);
        }
    }
    Look look;
    look.response = {200, {{"Content-Type", "application/json"}}, page.take_json()};
    look.next_token = page.take_next_token();
    return look;
}

/// Rows with 16-byte ids, by creation (or, with a prefix, by id), written whole.
template <class Row>
Result<Look> list_by_creation(std::vector<const Row*> rows, const ReadOptions& options) {
    const bool by_id = !options.prefix.empty();
    if (by_id) {
        sort_by(rows, options.reverse, [](const Row* row) { return row->id; });
    } else {
        sort_by(rows, options.reverse, [](const Row* row) {
            return std::pair(row->create_index, row->id);
        });
    }
    return list_page(
        rows,
        options,
        by_id ? TokenKind::Text : TokenKind::NumberText,
        [by_id](const Row* row) {
            return SortToken{by_id ? 0 : row->create_index.value, row->id.str()};
        },
        [](const Row* row) { return wire::to_value(*row); },
        [](std::string& out, const Row* row) { wire::append_json(out, *row); }
    );
}

/// Whether a row of namespace `ns` belongs to a request for `asked` ("*": all). With "*" the caller
/// must hold one of the capabilities there; otherwise the route's rule has decided.
bool visible(
    const Context& context,
    std::string_view asked,
    std::string_view ns,
    policy::CapabilitySet any_of = policy::bit(policy::Capability::ReadJob)
);
/// What a list of a namespace's rows watches.
state::WatchKey watch_list(state::TableId table, std::string_view ns);

model::JobListStub job_stub(
    const model::Job& job, const model::JobSummary* summary, bool with_meta
);
/// Jobs as stubs, in order of namespace and id.
Result<Look> list_jobs(
    const Context& context,
    const std::vector<const model::Job*>& jobs,
    const ReadOptions& options,
    bool with_meta
);

struct NodeStubOptions {
    bool resources = false;
    bool os = false;
};
model::NodeListStub node_stub(const model::Node& node, NodeStubOptions options);
Result<Look> list_nodes(
    std::vector<const model::Node*> nodes, const ReadOptions& options, NodeStubOptions stubs
);

struct AllocStubOptions {
    bool resources = false;
    bool task_states = true;
};
/// Errors: 500 with Nomad's text for a bad boolean.
Result<AllocStubOptions> alloc_stub_options(const Request& request);
/// Allocations as stubs, by creation unless a prefix is given.
Result<Look> list_allocs(
    std::vector<state::AllocView> allocs, const ReadOptions& options, AllocStubOptions stubs
);
std::vector<state::AllocView> views(const state::Range<state::AllocRow>& allocs);

}  // namespace nl::api

#include "api/shown_alloc.h"

#include "api/task_messages.h"

namespace nl::api {
namespace {

/// The root key in use when the allocation was made; "" if that key is no longer kept.
std::string signing_key(const model::Allocation& alloc, const state::Snapshot& state) {
    const model::RootKeyMeta* newest = nullptr;
    for (const auto& row : state.root_keys()) {
        const bool used = row.meta.create_index <= alloc.create_index &&
                          row.meta.publish_time <= alloc.create_time;
        if (used && (newest == nullptr || newest->create_index < row.meta.create_index)) {
            newest = &row.meta;
        }
    }
    return newest == nullptr ? "" : newest->key_id;
}

}  // namespace

model::Allocation shown_alloc(const state::AllocView& alloc, const state::Snapshot& state) {
    model::Allocation whole = alloc.expand();
    fill_display_messages(whole.task_states);
    if (whole.signing_key_id.empty()) {
        whole.signing_key_id = signing_key(whole, state);
    }
    if (!whole.network_status && !whole.task_states.empty()) {
        whole.network_status.ensure();
    }
    return whole;
}

}  // namespace nl::api

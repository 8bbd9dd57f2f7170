#pragma once
// The content of a Raft snapshot: what the applier keeps besides the state (the requests applied
// lately, and by how much the state's indexes run ahead of the log's), then the state
// (state/store.h). Written by the applier, read by it, by `operator snapshot` and by recovery.
// Format: docs/formats/requests.md. A snapshot without the first part, as servers wrote before there
// were request ids, is read as one that remembers none.

#include "base/error.h"
#include "server/request_window.h"
#include "state/store.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nl::server {

/// What the applier keeps besides the state.
struct SavedExtra {
    /// RequestWindow::save.
    Bytes requests;
    /// Index of the state minus index of the log: above 0 once a snapshot of another cluster, or of
    /// a later time, was restored, because indexes that clients saw never go back.
    std::uint64_t index_shift{0};

    NL_FIELDS(SavedExtra, (1, requests), (2, index_shift))
};

struct SavedState {
    state::Store store;
    RequestWindow requests;
    std::uint64_t index_shift{0};
};

/// Any thread. Errors: the sink's.
Result<void> write_saved(
    const state::Snapshot& snapshot, const SavedExtra& extra, const state::Store::Sink& sink
);
/// Errors: Corruption, the source's.
Result<SavedState> load_saved(const state::Store::Source& source);

/// How many records of each table a saved state holds, and how large they are.
struct SavedCount {
    std::string table;
    std::uint64_t count{0};
    std::uint64_t bytes{0};
};
/// Errors: Corruption.
Result<std::vector<SavedCount>> count_saved(BytesView state);

}  // namespace nl::server

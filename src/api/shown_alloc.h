#pragma once
// An allocation as the API shows it whole: what is not stored with each of a million rows, because
// it follows from other things, is filled in when one is read.

#include "model/allocation.h"
#include "state/snapshot.h"

namespace nl::api {

/// The row expanded, with its events' messages, the key its identities are signed with, and a
/// network status once its node has set it up.
model::Allocation shown_alloc(const state::AllocView& alloc, const state::Snapshot& state);

}  // namespace nl::api

#pragma once
// What a saved state (docs/formats/state_snapshot.md) holds, as lists of JSON objects under the
// names of Nomad's tables; for `operator snapshot state`, without a server.

#include "base/bytes.h"
#include "base/error.h"
#include "base/value.h"
#include "expr/filter.h"

namespace nl::agent {

/// Only of what the filter matches. Errors: Corruption.
Result<Value::Map> list_saved(BytesView saved, expr::Filter filter);

}  // namespace nl::agent

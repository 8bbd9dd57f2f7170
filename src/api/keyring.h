#pragma once
// The active root key for handlers, and how a write waits for the first one of a new cluster.
// Internal to api.

#include "api/context.h"
#include "api/outcome.h"
#include "policy/keyring.h"

#include <functional>

namespace nl::api {

/// How long a write waits for a key to encrypt with.
inline constexpr Duration kAwaitKey = seconds(10);

/// Null: there is none, or this server cannot read it.
const policy::RootKey* active_key(const Context& context);

/// Calls `then` once there is an active key, or answers 500 after kAwaitKey.
Outcome await_key(const Context& context, std::function<Outcome(const Context&)> then);

}  // namespace nl::api

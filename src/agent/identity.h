#pragma once
// Who this machine is: random ids made once and kept in the data directory. A directory that was
// wiped gives a new identity, so that a server without its log never votes under its old name.
// Without a directory the ids live as long as the process.

#include "base/error.h"
#include "base/strong.h"
#include "base/uuid.h"

#include <string>

namespace nl::agent {

/// A server's id for Raft: random, not 0, below 2^53 so that JSON carries it exactly. Errors:
/// Corruption, Unavailable.
Result<ServerId> server_identity(const std::string& file);

struct NodeIdentity {
    Uuid id;
    /// What the node proves itself with; readable by its owner only, never logged.
    Uuid secret;
};
/// `directory`/client-id and `directory`/secret-id, as Nomad keeps them. Errors: Corruption,
/// Unavailable.
Result<NodeIdentity> node_identity(const std::string& directory);

}  // namespace nl::agent

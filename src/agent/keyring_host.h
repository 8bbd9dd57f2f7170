#pragma once
// A server's part in the root keyring: its own private key in `<data>/server/keystore`, the root
// keys it can unwrap, and, while it leads, what the keyring needs: a first key, keys wrapped for
// every member, RSA parts, rotation, re-encryption. Root keys travel through Raft, wrapped
// (policy/keyring.h); nothing readable leaves this object but to api::Context.
//
// keyring() may be called from any thread; care() and rotation() on the leader's loop only.

#include "api/outcome.h"
#include "io/loop.h"
#include "policy/keyring.h"
#include "state/command.h"
#include "state/snapshot.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace nl::agent {

class KeyringHost {
public:
    struct Options {
        /// Empty: the private key is kept in memory, and what it protects ends with the process.
        std::string directory;
        Duration rotation_threshold = hours(720);
        /// How long a key that nothing uses is kept after its rotation.
        Duration gc_threshold = hours(1);
    };
    /// What the membership says of its servers.
    struct Members {
        std::vector<Bytes> public_keys;
        std::size_t voters = 0;
        std::size_t voters_known = 0;
    };
    /// Variables encrypted anew in one round.
    static constexpr std::size_t kRekeyRound = 256;

    /// Makes the private key if there is none. Errors: Unavailable, Corruption.
    static Result<std::unique_ptr<KeyringHost>> open(Options options);
    ~KeyringHost();
    KeyringHost(const KeyringHost&) = delete;
    KeyringHost& operator=(const KeyringHost&) = delete;

    const Bytes& public_key() const { return public_key_; }
    /// The keys of this state that are wrapped for this server; null if there are none.
    std::shared_ptr<const policy::Keyring> keyring(const state::Snapshot& snapshot);
    /// Whether every root key of the state is wrapped for a server with this public key.
    static bool covers(const state::Snapshot& snapshot, const Bytes& public_key);

    /// What is to be done now, if anything. `again` is called, on any thread, when more is.
    std::vector<state::Command> care(
        const state::Snapshot& snapshot,
        const Members& members,
        WallTime wall,
        const std::function<void()>& again
    );
    /// A new key as asked for, and its id. Errors: Unavailable: too few servers are known.
    Result<std::pair<state::Command, std::string>> rotation(
        const api::RotateRootKey& call,
        const state::Snapshot& snapshot,
        const Members& members,
        WallTime wall
    );
    void stop();

private:
    explicit KeyringHost(Options options);
    state::RootKeyRow row_of(
        const policy::RootKey& key, model::RootKeyMeta meta, const Members& members
    ) const;
    void make_rsa(const std::string& id, const std::function<void()>& again);

    Options options_;
    /// The own one first; others let a state be read that was saved by a server of another keystore.
    std::vector<Bytes> private_keys_;
    Bytes public_key_;
    io::EventLoop maker_;

    std::mutex mutex_;
    Index seen_;
    std::shared_ptr<const policy::Keyring> keyring_;
    std::set<std::string> rsa_wanted_;
    std::map<std::string, Bytes> rsa_made_;
};

}  // namespace nl::agent

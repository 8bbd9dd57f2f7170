// What a server does for the root keyring, for the locks of variables and for the gossip keyring that
// tools ask for. On the leader's loop, but for change_gossip.
#include "agent/server_host.h"
#include "io/clock.h"
#include "io/files.h"
#include "wire/value_json.h"

#include <algorithm>

namespace nl::agent {
namespace {

constexpr Duration kAnnounceTimeout = seconds(3);
/// A rotation waits this long for a round of the keyring's care to end before it looks again.
constexpr Duration kRotationRetry = milliseconds(20);

Error no_leader() {
    return {ErrorCode::NotLeader, "No cluster leader"};
}

}  // namespace

// A follower whose entry is out of date (another address, a new keystore) says so to the leader.
void ServerHost::announce_self() {
    const raft::Membership members = replica_->membership();
    const raft::Member* self = members.find(self_);
    const std::string leads = leader().address;
    if (self == nullptr || leads.empty()) {
        return;
    }
    raft::Member fresh = own_member();
    fresh.voter = self->voter;
    if (!(fresh == *self)) {
        peers_->call_unary(
            {.address = leads,
             .method = Founding::kJoinMethod,
             .request = encode(fresh),
             .timeout = kAnnounceTimeout},
            [](const Result<Bytes>&) {}
        );
    }
}

// A voter may have to lead, and a leader has to read the variables.
bool ServerHost::has_root_keys(const raft::Member& member) const {
    const auto told = decode<ServerInfo>(member.info);
    return !told || told->public_key.empty() ||
           KeyringHost::covers(applier_->snapshot(), told->public_key);
}

KeyringHost::Members ServerHost::keyring_members() const {
    KeyringHost::Members out;
    for (const raft::Member& member : replica_->membership().members) {
        const auto told = decode<ServerInfo>(member.info);
        const Bytes key = member.id == self_ ? keyring_->public_key()
                          : told             ? told->public_key
                                             : Bytes();
        out.voters += member.voter ? 1 : 0;
        if (!key.empty()) {
            out.voters_known += member.voter ? 1 : 0;
            out.public_keys.push_back(key);
        }
    }
    return out;
}

void ServerHost::look_after_keyring() {
    if (!told_leader_ || keyring_pending_ > 0) {
        return;
    }
    const auto again = [this] { leader_loop_.must_post([this] { look_after_keyring(); }); };
    auto commands =
        keyring_->care(applier_->snapshot(), keyring_members(), io::wall_now(), again);
    keyring_pending_ = commands.size();
    for (const state::Command& command : commands) {
        propose_internal(command, [this](const Result<Outcome>& outcome) {
            leader_loop_.must_post([this, applied = outcome.has_value()] {
                // A round that was lost is tried again with the members' care, not at once.
                if (--keyring_pending_ == 0 && applied) {
                    look_after_keyring();
                }
            });
        });
    }
}

void ServerHost::rotate(
    const api::RotateRootKey& call, std::function<void(api::ServerAnswered)> done
) {
    if (!told_leader_) {
        done({.result = std::unexpected(no_leader())});
        return;
    }
    if (keyring_pending_ > 0) {
        leader_loop_.run_at(io::now() + kRotationRetry, [this, call, done] { rotate(call, done); });
        return;
    }
    auto made =
        keyring_->rotation(call, applier_->snapshot(), keyring_members(), io::wall_now());
    if (!made) {
        done({.result = std::unexpected(made.error())});
        return;
    }
    ++keyring_pending_;
    propose_internal(made->first, [this, id = made->second, done](const Result<Outcome>& outcome) {
        api::ServerAnswered answer;
        answer.text = id;
        if (outcome) {
            answer.result = outcome->result;
            answer.index = outcome->index;
        } else {
            answer.result = std::unexpected(outcome.error());
        }
        done(std::move(answer));
        leader_loop_.must_post([this] {
            --keyring_pending_;
            look_after_keyring();
        });
    });
}

void ServerHost::tend_locks() {
    for (const state::Command& command : locks_.tick(io::now(), io::wall_now())) {
        propose_internal(command, [](const Result<Outcome>&) {});
    }
    if (locks_timer_ != 0) {
        leader_loop_.cancel(std::exchange(locks_timer_, 0));
    }
    if (locks_.next_deadline() != Instant::max()) {
        locks_timer_ = leader_loop_.run_at(locks_.next_deadline(), [this] {
            locks_timer_ = 0;
            tend_locks();
        });
    }
}

api::ServerAnswered ServerHost::change_gossip(const api::GossipKeyring& call) {
    using Op = api::GossipKeyring::Op;
    const std::lock_guard lock(mutex_);
    std::vector<std::string> keys = gossip_keys_;
    const auto found = std::find(keys.begin(), keys.end(), call.key);
    const auto refuse = [](const char* text) {
        return api::ServerAnswered{.result = fail(ErrorCode::InvalidArgument, "{}", text)};
    };
    if (call.op == Op::Install && found == keys.end()) {
        keys.push_back(call.key);
    } else if (call.op == Op::Use) {
        if (found == keys.end()) {
            return refuse("requested key is not in the keyring");
        }
        std::rotate(keys.begin(), found, found + 1);
    } else if (call.op == Op::Remove && found != keys.end()) {
        if (found == keys.begin()) {
            return refuse("removing the primary key is not allowed");
        }
        keys.erase(found);
    }
    if (keys != gossip_keys_ && !options_.data_dir.empty()) {
        const Value list(Value::List(keys.begin(), keys.end()));
        const auto written = io::write_file_atomic(
            options_.data_dir + kGossipFile, wire::write_json(list) + "\n", 0600
        );
        if (!written) {
            return {.result = std::unexpected(written.error())};
        }
    }
    gossip_keys_ = keys;
    return {.result = {}, .keys = std::move(keys)};
}

}  // namespace nl::agent

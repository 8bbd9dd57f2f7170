#pragma once
// How servers become a cluster. Each has a random id, kept in its data directory. With
// `bootstrap_expect` N, servers tell each other whom they know until somebody knows N of them, none
// of which belongs to a cluster; the one with the lowest id proposes the founding membership with a
// random cluster id; each makes the first proposal it hears durable before it agrees, and starts
// with it. A majority of the founders must hold the same membership to elect a leader, so two
// clusters cannot arise from one set of founders. A server that finds a cluster already there takes
// its membership and asks the leader to be added. Runs on its own thread, calls peers through
// PeerClient.

#include "io/grpc/grpc_server.h"
#include "io/grpc/peer_client.h"
#include "raft/message.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace nl::agent {

/// What one server tells another while there is no cluster.
struct FoundingHello {
    raft::Member self;
    std::uint64_t expect{};
    std::vector<raft::Member> known;
    /// Set once the sender belongs to a cluster.
    Box<raft::Membership> cluster;
    NL_FIELDS(FoundingHello, (1, self), (2, expect), (3, known), (4, cluster))
};

class Founding {
public:
    static constexpr const char* kHelloMethod = "founding/hello";
    static constexpr const char* kProposeMethod = "founding/propose";
    static constexpr const char* kJoinMethod = "founding/join";
    static constexpr std::size_t kMembersMax = 64;

    struct Options {
        raft::Member self;
        std::uint64_t expect{0};
        /// "host:port" of RPC or serf listeners to try.
        std::vector<std::string> join;
        /// File that holds the agreed membership; empty: memory only.
        std::string file;
        Uuid cluster_id_candidate;
        Duration retry = milliseconds(200);
    };
    /// Called once, on the founding thread: the membership to start Raft with. `invited` is true if
    /// this server is not in it and has to be added by the leader first.
    using OnFounded = std::function<void(raft::Membership membership, bool invited)>;

    Founding(Options options, io::PeerClient& peers, OnFounded on_founded);
    ~Founding();
    Founding(const Founding&) = delete;
    Founding& operator=(const Founding&) = delete;

    /// The membership a former run agreed on, if any. Errors: Corruption.
    static Result<std::optional<raft::Membership>> stored(const std::string& file);

    void start();
    void stop();

    /// Answers the methods above but kJoinMethod. False if the method is none of them. Any thread.
    bool answer(const io::InboundCall& call, io::Responder& responder);
    /// Tells it the membership in force, for answers to newcomers.
    void set_membership(raft::Membership membership);
    /// Adds an address to try (an operator's `server join`).
    void add_join(std::string address);

private:
    void run();
    void ask_all();
    bool propose();
    bool agree(raft::Membership membership);
    void learn(const raft::Member& member);
    void finish(bool invited);
    FoundingHello hello() const;
    void ask_to_be_added();

    Options options_;
    io::PeerClient& peers_;
    OnFounded on_founded_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_{false};
    bool founded_{false};
    std::vector<raft::Member> known_;
    std::optional<raft::Membership> cluster_;
    std::thread thread_;
};

}  // namespace nl::agent

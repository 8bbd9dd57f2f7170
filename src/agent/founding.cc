#include "agent/founding.h"

#include "io/files.h"
#include "io/log.h"

#include <algorithm>
#include <chrono>

namespace nl::agent {
namespace {

constexpr Duration kCallTimeout = seconds(2);
/// A line of progress each so many rounds without a cluster.
constexpr int kRoundsPerNote = 50;

template <class T>
void reply(io::Responder& responder, const T& answer) {
    responder.write({.kind = "answer", .id = 0, .data = encode(answer)});
    responder.finish({});
}

}  // namespace

Founding::Founding(Options options, io::PeerClient& peers, OnFounded on_founded)
    : options_(std::move(options)), peers_(peers), on_founded_(std::move(on_founded)) {
    known_.push_back(options_.self);
}

Founding::~Founding() {
    stop();
}

Result<std::optional<raft::Membership>> Founding::stored(const std::string& file) {
    if (file.empty() || !io::exists(file)) {
        return std::nullopt;
    }
    NL_TRY(const Bytes content, io::read_file(file));
    // The last four bytes are a checksum over what is before them.
    if (content.size() < 4) {
        return fail(ErrorCode::Corruption, "{} is damaged: too short", file);
    }
    const BytesView body = BytesView(content).substr(0, content.size() - 4);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        sum |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(content[body.size() + i]))
               << (8 * i);
    }
    if (crc32c(body) != sum) {
        return fail(ErrorCode::Corruption, "{} is damaged: its checksum does not fit", file);
    }
    NL_TRY(raft::Membership membership, decode<raft::Membership>(body));
    return membership;
}

void Founding::start() {
    thread_ = std::thread([this] { run(); });
}

void Founding::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Founding::set_membership(raft::Membership membership) {
    const std::lock_guard lock(mutex_);
    if (membership.members.empty() && cluster_) {
        // The log of an invited server says nothing yet.
        return;
    }
    cluster_ = std::move(membership);
}

void Founding::add_join(std::string address) {
    {
        const std::lock_guard lock(mutex_);
        if (std::find(options_.join.begin(), options_.join.end(), address) == options_.join.end() &&
            options_.join.size() < kMembersMax) {
            options_.join.push_back(std::move(address));
        }
    }
    wake_.notify_all();
}

FoundingHello Founding::hello() const {
    FoundingHello out{
        .self = options_.self, .expect = options_.expect, .known = known_, .cluster = {}
    };
    if (cluster_) {
        out.cluster = *cluster_;
    }
    return out;
}

bool Founding::answer(const io::InboundCall& call, io::Responder& responder) {
    if (call.method == kHelloMethod) {
        const auto theirs = decode<FoundingHello>(call.request);
        if (!theirs) {
            responder.finish(std::unexpected(theirs.error()));
            return true;
        }
        FoundingHello mine;
        {
            const std::lock_guard lock(mutex_);
            learn(theirs->self);
            mine = hello();
        }
        wake_.notify_all();
        reply(responder, mine);
        return true;
    }
    if (call.method == kProposeMethod) {
        auto proposed = decode<raft::Membership>(call.request);
        if (!proposed) {
            responder.finish(std::unexpected(proposed.error()));
            return true;
        }
        agree(std::move(*proposed));
        raft::Membership answer;
        {
            const std::lock_guard lock(mutex_);
            if (cluster_) {
                answer = *cluster_;
            }
        }
        wake_.notify_all();
        reply(responder, answer);
        return true;
    }
    return false;
}

void Founding::learn(const raft::Member& member) {
    if (member.id == raft::kNobody) {
        return;
    }
    const auto found = std::find_if(known_.begin(), known_.end(), [&](const raft::Member& m) {
        return m.id == member.id;
    });
    if (found != known_.end()) {
        *found = member;
    } else if (known_.size() < kMembersMax) {
        known_.push_back(member);
    }
}

bool Founding::agree(raft::Membership membership) {
    const std::lock_guard lock(mutex_);
    if (cluster_) {
        return cluster_->cluster == membership.cluster;
    }
    if (!options_.file.empty()) {
        Bytes content = encode(membership);
        const std::uint32_t sum = crc32c(content);
        for (int i = 0; i < 4; ++i) {
            content.push_back(static_cast<char>(sum >> (8 * i) & 0xff));
        }
        if (const auto written = io::write_file_atomic(options_.file, content); !written) {
            io::log_error(
                "agent", "the founding membership cannot be stored: {}", written.error().message
            );
            return false;
        }
    }
    cluster_ = std::move(membership);
    return true;
}

void Founding::run() {
    int rounds = 0;
    while (true) {
        {
            std::unique_lock lock(mutex_);
            if (stopping_) {
                return;
            }
            if (cluster_ && !founded_) {
                const bool invited = cluster_->find(options_.self.id) == nullptr;
                founded_ = true;
                raft::Membership membership = *cluster_;
                lock.unlock();
                on_founded_(std::move(membership), invited);
                if (!invited) {
                    return;
                }
            }
        }
        if (founded_) {
            ask_to_be_added();
        } else {
            ask_all();
            if (!propose() && ++rounds % kRoundsPerNote == 0) {
                const std::lock_guard lock(mutex_);
                io::log_info(
                    "agent", "waiting for servers: {} of {} known", known_.size(), options_.expect
                );
            }
        }
        std::unique_lock lock(mutex_);
        if (founded_ && cluster_ && cluster_->find(options_.self.id) != nullptr) {
            return;
        }
        wake_.wait_for(lock, std::chrono::nanoseconds(options_.retry.ns), [this] {
            return stopping_ || (cluster_.has_value() && !founded_);
        });
    }
}

void Founding::ask_all() {
    std::vector<std::string> targets;
    FoundingHello mine;
    {
        const std::lock_guard lock(mutex_);
        targets = options_.join;
        for (const raft::Member& member : known_) {
            if (member.id != options_.self.id &&
                std::find(targets.begin(), targets.end(), member.address) == targets.end()) {
                targets.push_back(member.address);
            }
        }
        mine = hello();
    }
    for (const std::string& address : targets) {
        if (address == options_.self.address) {
            continue;
        }
        const auto raw = peers_.call_and_wait(
            {.address = address,
             .method = kHelloMethod,
             .request = encode(mine),
             .timeout = kCallTimeout}
        );
        if (!raw) {
            continue;
        }
        const auto theirs = decode<FoundingHello>(*raw);
        if (!theirs) {
            continue;
        }
        if (theirs->cluster) {
            if (theirs->cluster->find(options_.self.id) != nullptr) {
                agree(*theirs->cluster);
            } else {
                // A cluster without us: not stored, since only the log may say that we belong to
                // it.
                const std::lock_guard lock(mutex_);
                cluster_ = *theirs->cluster;
            }
            return;
        }
        const std::lock_guard lock(mutex_);
        learn(theirs->self);
        for (const raft::Member& member : theirs->known) {
            learn(member);
        }
    }
}

bool Founding::propose() {
    raft::Membership membership;
    {
        const std::lock_guard lock(mutex_);
        if (cluster_ || options_.expect == 0 || known_.size() < options_.expect) {
            return cluster_.has_value();
        }
        std::sort(known_.begin(), known_.end(), [](const raft::Member& a, const raft::Member& b) {
            return a.id < b.id;
        });
        if (known_.front().id != options_.self.id) {
            return false;
        }
        membership.cluster = options_.cluster_id_candidate;
        for (std::size_t i = 0; i < options_.expect; ++i) {
            raft::Member member = known_[i];
            member.voter = true;
            membership.put(std::move(member));
        }
    }
    for (const raft::Member& member : membership.members) {
        if (member.id == options_.self.id) {
            continue;
        }
        const auto raw = peers_.call_and_wait(
            {.address = member.address,
             .method = kProposeMethod,
             .request = encode(membership),
             .timeout = kCallTimeout}
        );
        const auto theirs = raw ? decode<raft::Membership>(*raw) : std::unexpected(raw.error());
        if (!theirs) {
            return false;
        }
        if (theirs->cluster != membership.cluster) {
            // Somebody agreed to another proposal before; that one stands if we are part of it.
            if (theirs->find(options_.self.id) != nullptr) {
                return agree(*theirs);
            }
            return false;
        }
    }
    return agree(std::move(membership));
}

void Founding::ask_to_be_added() {
    raft::Membership cluster;
    {
        const std::lock_guard lock(mutex_);
        if (!cluster_) {
            return;
        }
        cluster = *cluster_;
    }
    for (const raft::Member& member : cluster.members) {
        const auto raw = peers_.call_and_wait(
            {.address = member.address,
             .method = kJoinMethod,
             .request = encode(options_.self),
             .timeout = kCallTimeout}
        );
        if (raw) {
            return;
        }
    }
}

}  // namespace nl::agent

#include "raft/message.h"

#include "base/check.h"

#include <algorithm>
#include <utility>

namespace nl::raft {

namespace {

auto position(auto& members, ServerId id) {
    return std::lower_bound(members.begin(), members.end(), id, [](const Member& m, ServerId i) {
        return m.id < i;
    });
}

}  // namespace

const Member* Membership::find(ServerId id) const {
    const auto at = position(members, id);
    return at != members.end() && at->id == id ? &*at : nullptr;
}

bool Membership::is_voter(ServerId id) const {
    const Member* member = find(id);
    return member != nullptr && member->voter;
}

std::size_t Membership::voters() const {
    return static_cast<std::size_t>(
        std::count_if(members.begin(), members.end(), [](const Member& m) { return m.voter; })
    );
}

void Membership::put(Member member) {
    const auto at = position(members, member.id);
    if (at != members.end() && at->id == member.id) {
        *at = std::move(member);
    } else {
        members.insert(at, std::move(member));
    }
}

void Membership::remove(ServerId id) {
    const auto at = position(members, id);
    if (at != members.end() && at->id == id) {
        members.erase(at);
    }
}

std::string_view to_string(MessageKind kind) {
    switch (kind) {
        case MessageKind::PreVoteRequest:
            return "prevote?";
        case MessageKind::PreVoteResponse:
            return "prevote!";
        case MessageKind::VoteRequest:
            return "vote?";
        case MessageKind::VoteResponse:
            return "vote!";
        case MessageKind::AppendRequest:
            return "append?";
        case MessageKind::AppendResponse:
            return "append!";
        case MessageKind::HeartbeatRequest:
            return "beat?";
        case MessageKind::HeartbeatResponse:
            return "beat!";
        case MessageKind::InstallSnapshot:
            return "snapshot";
        case MessageKind::TimeoutNow:
            return "timeout-now";
        case MessageKind::ReadRequest:
            return "read?";
        case MessageKind::ReadResponse:
            return "read!";
    }
    return "unknown";
}

}  // namespace nl::raft

// Recovery from a lost quorum, Nomad's way: with the servers stopped, the operator writes
// <data_dir>/server/raft/peers.json on each server that is left, naming those that shall be the
// cluster from now on. It counts in place of the membership in log and snapshot. Once the first
// leader has written it into the log, the file is renamed to peers.info.
#include "agent/server_host.h"
#include "io/files.h"
#include "io/log.h"
#include "wire/value_json.h"

#include <charconv>
#include <cstdio>

namespace nl::agent {
namespace {

std::string path_of(const std::string& data_dir) {
    return data_dir + "/server/raft/peers.json";
}

std::unexpected<Error> bad(const std::string& path, const std::string& why) {
    return fail(
        ErrorCode::InvalidArgument,
        "\"{}\" {}; it is a list of objects with \"id\", \"address\" and \"non_voter\"",
        path,
        why
    );
}

}  // namespace

Result<std::optional<raft::Membership>> ServerHost::recovery_membership() {
    const std::string path = path_of(options_.data_dir);
    if (options_.data_dir.empty() || !io::exists(path)) {
        return std::optional<raft::Membership>();
    }
    NL_TRY(const Bytes text, io::read_file(path));
    const auto parsed = wire::parse_json(text);
    if (!parsed || parsed->as_list() == nullptr) {
        return bad(path, "is no JSON list");
    }
    raft::Membership members;
    for (const Value& item : *parsed->as_list()) {
        const Value::Map* fields = item.as_map();
        const auto field = [&](const char* name) -> const Value* {
            const auto at = fields != nullptr ? fields->find(name) : Value::Map::const_iterator();
            return fields != nullptr && at != fields->end() ? &at->second : nullptr;
        };
        const Value* id = field("id");
        const Value* address = field("address");
        const Value* non_voter = field("non_voter");
        std::uint64_t number = 0;
        if (id != nullptr && id->as_string() != nullptr) {
            const std::string& digits = *id->as_string();
            std::from_chars(digits.data(), digits.data() + digits.size(), number);
        }
        if (number == 0 || address == nullptr || address->as_string() == nullptr) {
            return bad(path, "has an entry without a number as \"id\" or without an \"address\"");
        }
        const bool learns =
            non_voter != nullptr && non_voter->as_bool() != nullptr && *non_voter->as_bool();
        members.put({
            .id = ServerId(number),
            .voter = !learns,
            .name = fmt::format("server-{}", number),
            .address = *address->as_string(),
            .info = {},
        });
    }
    if (members.voters() == 0) {
        return bad(path, "names no voter");
    }
    if (members.find(self_) == nullptr) {
        return bad(path, fmt::format("does not name this server, whose id is {}", self_));
    }
    NL_TRY(const auto founded, Founding::stored(options_.data_dir + "/server/cluster"));
    if (founded) {
        members.cluster = founded->cluster;
    }
    io::log_warn(
        "server",
        "the membership is taken from \"{}\": {} servers, {} of them voters",
        path,
        members.members.size(),
        members.voters()
    );
    recovering_ = true;
    return std::optional(std::move(members));
}

void ServerHost::maybe_end_recovery() {
    if (!recovering_) {
        return;
    }
    const server::ReplicaStatus status = replica_->status();
    const Index at = status.raft.membership_index;
    if (at == Index{0} || status.raft.commit < at) {
        return;
    }
    const std::string path = path_of(options_.data_dir);
    const std::string done = options_.data_dir + "/server/raft/peers.info";
    if (std::rename(path.c_str(), done.c_str()) == 0) {
        recovering_ = false;
        io::log_info("server", "the recovered membership is in the log; \"{}\" is kept", done);
    }
}

}  // namespace nl::agent

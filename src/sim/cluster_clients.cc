// The clients of a simulated cluster: each does one operation after the other, asks somebody else
// when it gets no answer, under the same request id, and writes down what it saw.
#include "base/check.h"
#include "base/codec.h"
#include "sim/cluster.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::sim {

namespace {

constexpr int kTriesMax = 6;
constexpr std::uint64_t kMarkClient = 0;

}  // namespace

Cluster::Client* Cluster::client_of(Ticket ticket) {
    const auto at = asked_.find(ticket);
    if (at == asked_.end()) {
        return nullptr;
    }
    Client& client = clients_[at->second.client];
    return client.busy && client.ticket == ticket ? &client : nullptr;
}

bool Cluster::clients_idle() const {
    return std::none_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.busy; });
}

void Cluster::step_client(Client& client) {
    if (!client.busy) {
        begin(client);
    } else if (client.ticket != Ticket{}) {
        // No answer in time: it may have been taken.
        end_attempt(client, false);
    } else {
        attempt(client);
    }
}

void Cluster::begin(Client& client) {
    client.busy = true;
    client.tries = 0;
    client.open = false;
    client.seen = highest_seen_;
    client.op = Op{.client = client.id, .key = {}, .a = {}, .b = {}, .begin = now_, .result = {}};
    Op& op = client.op;
    const std::uint64_t key = client_rng_.below(settings_.keys);
    op.key = fmt::format("k{}", key);
    // One kind of value for each key.
    const std::uint64_t draw = client_rng_.below(10);
    if (draw < settings_.reads_of_ten) {
        op.kind = OpKind::Get;
    } else if (key % 3 == 0) {
        op.a = fmt::format("v{}", next_value_++);
        if (draw < 7 && draw % 2 == 0) {
            // Half of them with a value that was there not long ago.
            op.kind = OpKind::Cas;
            op.b = op.a;
            op.a = fmt::format("v{}", next_value_ - 1 - client_rng_.below(std::min<std::uint64_t>(
                                                            next_value_ - 1, 6
                                                        )));
        } else {
            op.kind = draw == 9 ? OpKind::Delete : OpKind::Put;
        }
    } else if (key % 3 == 1) {
        op.kind = OpKind::Append;
        op.a = fmt::format("v{}", next_value_++);
    } else {
        op.kind = OpKind::Add;
        op.a = fmt::format("{}", client_rng_.between(1, 9));
    }
    // Some clients know nothing of request ids: they never ask twice.
    client.request = client_rng_.chance(1, 10) ? Uuid{} : Uuid::random(client_rng_);
    client.born = Index{UINT64_MAX};
    attempt(client);
}

void Cluster::attempt(Client& client) {
    std::vector<ServerId> up;
    for (const auto& [id, node] : nodes_) {
        if (node->replica) {
            up.push_back(id);
        }
    }
    client.ticket = Ticket{};
    client.next = now_ + milliseconds(client_rng_.between(5, 60));
    if (up.empty()) {
        ++client.tries;
        if (client.tries >= kTriesMax) {
            close(client);
        }
        return;
    }
    if (settings_.sticky_clients && client.op.kind == OpKind::Get) {
        client.target = ServerId(1 + client.id % settings_.voters);
    }
    const bool known =
        std::find(up.begin(), up.end(), client.target) != up.end() && client_rng_.chance(9, 10);
    if (!known) {
        client.target = up[client_rng_.below(up.size())];
    }
    Node& node = *nodes_.at(client.target);
    if (client.born == Index{UINT64_MAX}) {
        client.born = node.position.meta().index;
    }
    client.ticket = client.last = next_ticket_;
    ++next_ticket_;
    client.next = now_ + settings_.client_timeout;
    const bool is_read = client.op.kind == OpKind::Get;
    asked_[client.ticket] = {
        .client = static_cast<std::size_t>(&client - clients_.data()),
        .node = node.id,
        .life = node.life,
        .is_read = is_read,
    };
    counts_.retried += client.tries > 0 ? 1 : 0;
    ++client.tries;
    if (is_read) {
        push(node.id, server::Read{client.ticket});
        return;
    }
    const KvCommand command{
        .kind = client.op.kind,
        .key = client.op.key,
        .a = client.op.a,
        .b = client.op.b,
        .attempt = client.ticket.value,
    };
    push(
        node.id,
        server::Propose{
            .ticket = client.ticket,
            .command = encode(command),
            .request = client.request,
            .born = client.born
        }
    );
}

void Cluster::end_attempt(Client& client, bool surely_not) {
    const Node& node = *nodes_.at(client.target);
    client.open = client.open || !surely_not;
    client.ticket = Ticket{};
    client.target = node.replica && surely_not ? node.replica->leader() : raft::kNobody;
    const bool is_read = client.op.kind == OpKind::Get;
    // Without a request id a second try could do it twice.
    if (client.tries >= kTriesMax || (client.open && client.request.is_nil() && !is_read)) {
        return close(client);
    }
    client.next = now_ + milliseconds(client_rng_.between(1, 80));
}

void Cluster::close(Client& client) {
    if (client.open && client.op.kind != OpKind::Get) {
        history_.push_back({.op = client.op, .request = client.request, .ticket = client.last});
    }
    client.busy = false;
    client.next = now_ + nanoseconds(client_rng_.between(0, settings_.think_max.ns));
}

void Cluster::complete(Client& client, std::string result, Index at) {
    const bool is_read = client.op.kind == OpKind::Get;
    // Everything lies in one order, and what was answered before this was asked lies before it.
    if (is_read ? at < client.seen : at <= client.seen) {
        return broken(fmt::format(
            "a {} of client {} was answered from {} and asked after {} had been answered",
            to_string(client.op.kind),
            client.id,
            at,
            client.seen
        ));
    }
    (is_read ? counts_.reads : counts_.writes) += 1;
    highest_seen_ = std::max(highest_seen_, at);
    client.op.end = now_;
    client.op.result = std::move(result);
    for (const char c : client.op.result) {
        answers_hash_ = (answers_hash_ ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
    }
    answers_hash_ = answers_hash_ * 0x100000001b3ULL ^ at.value;
    client.op.place = at.value;
    history_.push_back({.op = client.op, .request = {}, .ticket = {}});
    if (trace) {
        trace(fmt::format("{:>7} client {}", now_.ns / 1'000'000, to_string(client.op)));
    }
    mark_done_ = mark_done_ || client.id == kMarkClient;
    client.busy = false;
    client.next = now_ + nanoseconds(client_rng_.between(0, settings_.think_max.ns));
}

void Cluster::on_refusal(Ticket ticket, const Error& error) {
    const auto at = asked_.find(ticket);
    if (at == asked_.end()) {
        return;  // A change of the membership or a transfer.
    }
    const bool surely_not = error.code == ErrorCode::NotLeader ||
                            error.code == ErrorCode::ResourceExhausted ||
                            error.code == ErrorCode::Unavailable;
    if (surely_not && !at->second.is_read) {
        refused_.insert(ticket.value);
        if (applied_attempts_.contains(ticket.value)) {
            return broken(fmt::format("attempt {} is committed and was refused", ticket));
        }
    }
    if (Client* client = client_of(ticket)) {
        end_attempt(*client, surely_not);
    }
}

void Cluster::on_outcome(Ticket ticket, const Kv::Applied& applied) {
    const auto at = asked_.find(ticket);
    if (at == asked_.end()) {
        return;
    }
    Client* client = client_of(ticket);
    if (client == nullptr) {
        return;  // It has asked somebody else meanwhile, or given up.
    }
    if (!applied.known) {
        client->open = true;
        return close(*client);
    }
    const Known& known = committed_[applied.index.value];
    const bool its_own = client->request.is_nil() ? known.attempt == ticket.value
                                                  : known.request == client->request;
    if (!known.there || !its_own) {
        return broken(fmt::format(
            "attempt {} of client {} was answered with entry {}, which is not its own",
            ticket,
            client->id,
            applied.index
        ));
    }
    counts_.deduplicated += known.attempt != ticket.value ? 1 : 0;
    complete(*client, applied.result, applied.index);
}

void Cluster::mark(ServerId at) {
    if (clients_.empty() || clients_.back().id != kMarkClient) {
        Client client;
        client.id = kMarkClient;
        clients_.push_back(client);
    }
    Client& client = clients_.back();
    mark_done_ = false;
    client.busy = true;
    client.tries = 0;
    client.open = false;
    client.seen = highest_seen_;
    client.op = Op{
        .client = kMarkClient,
        .kind = OpKind::Put,
        .key = "mark",
        .a = fmt::format("v{}", next_value_++),
        .b = {},
        .begin = now_,
        .result = {}
    };
    client.request = Uuid::random(client_rng_);
    client.born = Index{UINT64_MAX};
    client.target = at;
    attempt(client);
}

std::vector<Op> Cluster::history() const {
    std::vector<Seen> all = history_;
    for (const Client& client : clients_) {
        if (client.busy && client.op.kind != OpKind::Get &&
            (client.open || client.ticket != Ticket{})) {
            all.push_back({.op = client.op, .request = client.request, .ticket = client.last});
        }
    }
    // What nobody answered may have been done nevertheless.
    std::map<Uuid, std::uint64_t> by_request;
    std::map<std::uint64_t, std::uint64_t> by_attempt;
    for (std::uint64_t i = 0; i < committed_.size(); ++i) {
        if (committed_[i].there && committed_[i].attempt != 0) {
            by_request.emplace(committed_[i].request, i);
            by_attempt.emplace(committed_[i].attempt, i);
        }
    }
    std::vector<Op> out;
    for (Seen& one : all) {
        if (one.op.end == Instant::max()) {
            const auto request = by_request.find(one.request);
            const auto attempt = by_attempt.find(one.ticket.value);
            if (!one.request.is_nil() && request != by_request.end()) {
                one.op.place = request->second;
            } else if (one.request.is_nil() && attempt != by_attempt.end()) {
                one.op.place = attempt->second;
            }
        }
        out.push_back(std::move(one.op));
    }
    return out;
}

}  // namespace nl::sim

#include "server/snapshot_stream.h"

#include "base/check.h"
#include "raft/planted.h"

#include <algorithm>
#include <utility>

namespace nl::server {

// ---- the worker
// -----------------------------------------------------------------------------------------------------------------

std::optional<SnapshotAnswer> SnapshotWorker::run(const SnapshotCall& call) {
    using Kind = SnapshotCall::Kind;
    SnapshotAnswer answer{.kind = call.kind, .stream = call.stream, .bytes = Bytes()};
    const auto gone = [&] {
        return fail(ErrorCode::NotFound, "snapshot stream {} is not open", call.stream);
    };
    const auto settle = [&](Result<void> result) {
        if (!result) {
            answer.bytes = std::unexpected(std::move(result).error());
        }
    };
    switch (call.kind) {
        case Kind::OpenRead: {
            auto reader = store_.open(call.meta.index);
            if (reader) {
                readers_[call.stream] = std::move(*reader);
            } else {
                answer.bytes = std::unexpected(std::move(reader).error());
            }
            return answer;
        }
        case Kind::Read: {
            const auto at = readers_.find(call.stream);
            answer.bytes = at != readers_.end() ? at->second->read(call.bytes_max) : gone();
            return answer;
        }
        case Kind::CloseRead:
            readers_.erase(call.stream);
            return std::nullopt;
        case Kind::Create: {
            auto writer = store_.create(call.meta);
            if (writer) {
                writers_[call.stream] = std::move(*writer);
            } else {
                answer.bytes = std::unexpected(std::move(writer).error());
            }
            return answer;
        }
        case Kind::Write: {
            const auto at = writers_.find(call.stream);
            settle(at != writers_.end() ? at->second->write(call.data) : gone());
            return answer;
        }
        case Kind::Commit: {
            const auto at = writers_.find(call.stream);
            settle(at != writers_.end() ? at->second->commit() : gone());
            writers_.erase(call.stream);
            return answer;
        }
        case Kind::Abort:
            writers_.erase(call.stream);
            return std::nullopt;
    }
    NL_UNREACHABLE();
}

// ---- the leader's side
// ------------------------------------------------------------------------------------------------------------

bool SnapshotSender::is_sending_to(ServerId to) const {
    return streams_.contains(to);
}

SnapshotFrame SnapshotSender::frame(ServerId to, const Stream& stream, SnapshotFrameKind kind)
    const {
    return {
        .kind = kind,
        .from = self_,
        .to = to,
        .term = stream.term,
        .stream = stream.number,
        .index = stream.meta.index,
    };
}

void SnapshotSender::begin(
    ServerId to, Term term, const env::SnapshotMeta& meta, Instant now, SnapshotOutput& out
) {
    NL_ASSERT(!streams_.contains(to));
    Stream stream;
    stream.number = next_number_++;
    stream.term = term;
    stream.meta = meta;
    stream.moved_at = now;
    out.calls.push_back(
        {.kind = SnapshotCall::Kind::OpenRead, .stream = Ticket(stream.number), .meta = meta}
    );
    resend(to, streams_.emplace(to, std::move(stream)).first->second, now, out);
}

// Everything that is not acknowledged: once at the start, and again when answers stay away.
void SnapshotSender::resend(ServerId to, Stream& stream, Instant now, SnapshotOutput& out) {
    stream.sent_at = now;
    if (!stream.begun) {
        SnapshotFrame f = frame(to, stream, SnapshotFrameKind::Begin);
        f.log_term = stream.meta.term;
        f.membership = stream.meta.membership;
        out.send.push_back(std::move(f));
        return;
    }
    for (const Piece& piece : stream.window) {
        SnapshotFrame f = frame(to, stream, SnapshotFrameKind::Chunk);
        f.offset = piece.offset;
        f.crc = crc32c(piece.data);
        f.data = piece.data;
        out.send.push_back(std::move(f));
    }
    if (stream.at_end && stream.window.empty()) {
        SnapshotFrame f = frame(to, stream, SnapshotFrameKind::End);
        f.offset = stream.read_offset;
        out.send.push_back(std::move(f));
    }
}

void SnapshotSender::fill(ServerId to, Stream& stream, Instant now, SnapshotOutput& out) {
    if (!stream.begun || stream.reading) {
        return;
    }
    if (stream.at_end) {
        if (stream.window.empty()) {
            resend(to, stream, now, out);
        }
    } else if (stream.window.size() < options_.window_chunks) {
        stream.reading = true;
        out.calls.push_back({
            .kind = SnapshotCall::Kind::Read,
            .stream = Ticket(stream.number),
            .meta = {},
            .bytes_max = options_.chunk_bytes,
        });
    }
}

void SnapshotSender::on_frame(const SnapshotFrame& f, Instant now, SnapshotOutput& out) {
    const auto at = streams_.find(f.from);
    if (at == streams_.end() || at->second.number != f.stream || at->second.term != f.term) {
        return;
    }
    Stream& stream = at->second;
    if (f.kind == SnapshotFrameKind::Abort) {
        return end(f.from, false, out);
    }
    if (f.kind != SnapshotFrameKind::Ack) {
        return;
    }
    if (f.done) {
        return end(f.from, true, out);
    }
    bool moved = !stream.begun;
    stream.begun = true;
    while (!stream.window.empty() &&
           stream.window.front().offset + stream.window.front().data.size() <= f.offset) {
        stream.window.pop_front();
        moved = true;
    }
    if (moved) {
        stream.moved_at = now;
        stream.sent_at = now;
        fill(f.from, stream, now, out);
    }
}

void SnapshotSender::on_answer(const SnapshotAnswer& answer, Instant now, SnapshotOutput& out) {
    const auto at = std::find_if(streams_.begin(), streams_.end(), [&](const auto& s) {
        return Ticket(s.second.number) == answer.stream;
    });
    if (at == streams_.end()) {
        return;
    }
    const ServerId to = at->first;
    Stream& stream = at->second;
    if (!answer.bytes) {
        out.send.push_back(frame(to, stream, SnapshotFrameKind::Abort));
        return end(to, false, out);
    }
    if (answer.kind != SnapshotCall::Kind::Read) {
        return;
    }
    stream.reading = false;
    if (answer.bytes->empty()) {
        stream.at_end = true;
    } else {
        stream.window.push_back({.offset = stream.read_offset, .data = *answer.bytes});
        SnapshotFrame f = frame(to, stream, SnapshotFrameKind::Chunk);
        f.offset = stream.read_offset;
        f.crc = crc32c(*answer.bytes);
        f.data = *answer.bytes;
        out.send.push_back(std::move(f));
        stream.read_offset += answer.bytes->size();
        stream.sent_at = now;
    }
    fill(to, stream, now, out);
}

void SnapshotSender::tick(Instant now, SnapshotOutput& out) {
    std::vector<ServerId> given_up;
    for (auto& [to, stream] : streams_) {
        if (now - stream.moved_at >= options_.give_up_after) {
            given_up.push_back(to);
        } else if (now - stream.sent_at >= options_.resend_after) {
            resend(to, stream, now, out);
        }
    }
    for (const ServerId to : given_up) {
        out.send.push_back(frame(to, streams_.at(to), SnapshotFrameKind::Abort));
        end(to, false, out);
    }
}

void SnapshotSender::end(ServerId to, bool delivered, SnapshotOutput& out) {
    const auto at = streams_.find(to);
    out.calls.push_back(
        {.kind = SnapshotCall::Kind::CloseRead, .stream = Ticket(at->second.number), .meta = {}}
    );
    streams_.erase(at);
    ended_.push_back({.to = to, .delivered = delivered});
}

void SnapshotSender::abandon_all(SnapshotOutput& out) {
    while (!streams_.empty()) {
        const auto& [to, stream] = *streams_.begin();
        out.send.push_back(frame(to, stream, SnapshotFrameKind::Abort));
        end(to, false, out);
    }
}

Instant SnapshotSender::next_deadline() const {
    Instant next = Instant::max();
    for (const auto& [to, stream] : streams_) {
        next = std::min(
            {next, stream.moved_at + options_.give_up_after, stream.sent_at + options_.resend_after}
        );
    }
    return next;
}

std::vector<SnapshotSender::Ended> SnapshotSender::take_ended() {
    return std::exchange(ended_, {});
}

// ---- the follower's side
// ----------------------------------------------------------------------------------------------------------

void SnapshotReceiver::ack(const Stream& stream, bool done, SnapshotOutput& out) const {
    out.send.push_back({
        .kind = SnapshotFrameKind::Ack,
        .from = self_,
        .to = stream.from,
        .term = stream.term,
        .stream = stream.number,
        .index = stream.meta.index,
        .offset = stream.written,
        .done = done,
    });
}

void SnapshotReceiver::abort(SnapshotOutput& out) {
    out.send.push_back({
        .kind = SnapshotFrameKind::Abort,
        .from = self_,
        .to = stream_->from,
        .term = stream_->term,
        .stream = stream_->number,
        .index = stream_->meta.index,
    });
    out.calls.push_back({.kind = SnapshotCall::Kind::Abort, .stream = stream_->ticket, .meta = {}});
    stream_.reset();
}

void SnapshotReceiver::on_frame(
    const SnapshotFrame& f, Index have, Instant now, SnapshotOutput& out
) {
    const auto is_same = [&f](const auto& s, std::uint64_t number) {
        return s.from == f.from && s.term == f.term && number == f.stream;
    };
    if (f.kind == SnapshotFrameKind::Begin) {
        const bool again = finished_ && is_same(*finished_, finished_->stream);
        if (again || f.index <= have) {
            const Stream done{
                .from = f.from, .term = f.term, .number = f.stream, .meta = {.index = f.index}
            };
            return ack(done, true, out);
        }
        if (stream_ && !is_same(*stream_, stream_->number)) {
            if (f.term < stream_->term) {
                return;
            }
            abort(out);
        }
        if (!stream_) {
            stream_ = Stream{
                .from = f.from,
                .term = f.term,
                .number = f.stream,
                .ticket = Ticket(next_ticket_++),
                .meta = {.index = f.index, .term = f.log_term, .membership = f.membership},
                .moved_at = now,
            };
            out.calls.push_back({
                .kind = SnapshotCall::Kind::Create,
                .stream = stream_->ticket,
                .meta = stream_->meta,
            });
        } else if (stream_->created) {
            ack(*stream_, false, out);
        }
        return;
    }
    if (f.kind == SnapshotFrameKind::End && finished_ && is_same(*finished_, finished_->stream)) {
        const Stream done{
            .from = f.from, .term = f.term, .number = f.stream, .meta = {.index = f.index}
        };
        return ack(done, true, out);
    }
    if (!stream_ || !is_same(*stream_, stream_->number) || !stream_->created) {
        return;
    }
    Stream& stream = *stream_;
    if (f.kind == SnapshotFrameKind::Abort) {
        return abort(out);
    }
    if (f.kind == SnapshotFrameKind::Chunk) {
        const bool of_use =
            f.offset >= stream.accepted && !f.data.empty() && !stream.committing &&
            stream.early.size() + stream.writing.size() < options_.window_chunks * 2;
        if (!of_use || crc32c(f.data) != f.crc) {
            return ack(stream, false, out);
        }
        if (NL_PLANTED(snapshot_chunk_gap)) {
            stream.accepted = f.offset;
        }
        // One may overtake another; those ahead wait for their turn.
        stream.early.insert_or_assign(f.offset, f.data);
        for (auto at = stream.early.find(stream.accepted); at != stream.early.end();
             at = stream.early.find(stream.accepted)) {
            const std::size_t size = at->second.size();
            out.calls.push_back({
                .kind = SnapshotCall::Kind::Write,
                .stream = stream.ticket,
                .meta = {},
                .data = std::move(at->second),
            });
            stream.early.erase(at);
            stream.accepted += size;
            stream.writing.push_back(size);
            stream.moved_at = now;
        }
    } else if (f.kind == SnapshotFrameKind::End && !stream.committing) {
        if (f.offset == stream.accepted && stream.writing.empty()) {
            stream.committing = true;
            stream.moved_at = now;
            out.calls.push_back(
                {.kind = SnapshotCall::Kind::Commit, .stream = stream.ticket, .meta = {}}
            );
        } else {
            ack(stream, false, out);
        }
    }
}

void SnapshotReceiver::on_answer(const SnapshotAnswer& answer, Instant now, SnapshotOutput& out) {
    if (!stream_ || answer.stream != stream_->ticket) {
        return;
    }
    Stream& stream = *stream_;
    if (!answer.bytes) {
        return abort(out);
    }
    stream.moved_at = now;
    switch (answer.kind) {
        case SnapshotCall::Kind::Create:
            stream.created = true;
            return ack(stream, false, out);
        case SnapshotCall::Kind::Write:
            NL_ASSERT(!stream.writing.empty());
            stream.written += stream.writing.front();
            stream.writing.pop_front();
            return ack(stream, false, out);
        case SnapshotCall::Kind::Commit:
            stream.meta.size = stream.written;
            received_ = Received{.from = stream.from, .term = stream.term, .meta = stream.meta};
            finished_ =
                SnapshotFrame{.from = stream.from, .term = stream.term, .stream = stream.number};
            ack(stream, true, out);
            stream_.reset();
            return;
        case SnapshotCall::Kind::OpenRead:
        case SnapshotCall::Kind::Read:
        case SnapshotCall::Kind::CloseRead:
        case SnapshotCall::Kind::Abort:
            return;
    }
}

void SnapshotReceiver::tick(Instant now, SnapshotOutput& out) {
    if (stream_ && now - stream_->moved_at >= options_.give_up_after && !stream_->committing) {
        abort(out);
    }
}

Instant SnapshotReceiver::next_deadline() const {
    return stream_ && !stream_->committing ? stream_->moved_at + options_.give_up_after
                                           : Instant::max();
}

std::optional<SnapshotReceiver::Received> SnapshotReceiver::take_received() {
    return std::exchange(received_, std::nullopt);
}

}  // namespace nl::server

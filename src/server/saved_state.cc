#include "server/saved_state.h"

#include "base/bytes.h"
#include "base/codec.h"
#include "state/effects.h"

#include <algorithm>
#include <map>
#include <utility>

namespace nl::server {

namespace {

constexpr std::string_view kMagic = "NLEXTRA1";
/// Behind the magic: length and crc32c of what follows, 4 bytes little endian each.
constexpr std::size_t kHeadBytes = 16;
constexpr std::size_t kExtraBytesMax = 64 << 20;

void put_u32(Bytes& out, std::uint32_t n) {
    for (int i = 0; i < 4; ++i) {
        out.push_back(static_cast<char>(n >> (8 * i) & 0xff));
    }
}
std::uint32_t get_u32(BytesView in) {
    std::uint32_t n = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        n |= static_cast<std::uint32_t>(static_cast<unsigned char>(in[i])) << (8 * i);
    }
    return n;
}

}  // namespace

Result<void> write_saved(
    const state::Snapshot& snapshot, const SavedExtra& extra, const state::Store::Sink& sink
) {
    if (!extra.requests.empty() || extra.index_shift > 0) {
        const Bytes body = encode(extra);
        Bytes head(kMagic);
        put_u32(head, static_cast<std::uint32_t>(body.size()));
        put_u32(head, crc32c(body));
        NL_TRY_VOID(sink(head));
        NL_TRY_VOID(sink(body));
    }
    return state::Store::save(snapshot, sink);
}

Result<SavedState> load_saved(const state::Store::Source& source) {
    // What was read ahead of the state, given to it first.
    Bytes ahead;
    const auto read_to = [&](std::size_t size) -> Result<void> {
        while (ahead.size() < size) {
            NL_TRY(const Bytes part, source(size - ahead.size()));
            if (part.empty()) {
                return {};
            }
            ahead += part;
        }
        return {};
    };
    NL_TRY_VOID(read_to(kMagic.size()));
    RequestWindow requests;
    std::uint64_t shift = 0;
    if (ahead == kMagic) {
        NL_TRY_VOID(read_to(kHeadBytes));
        const std::size_t size = ahead.size() == kHeadBytes ? get_u32(BytesView(ahead).substr(8)) : 0;
        if (size == 0 || size > kExtraBytesMax) {
            return fail(ErrorCode::Corruption, "the requests of a snapshot are cut short");
        }
        const std::uint32_t sum = get_u32(BytesView(ahead).substr(12));
        NL_TRY_VOID(read_to(kHeadBytes + size));
        const BytesView body = BytesView(ahead).substr(kHeadBytes);
        if (body.size() != size || crc32c(body) != sum) {
            return fail(
                ErrorCode::Corruption, "the requests of a snapshot do not match their checksum"
            );
        }
        NL_TRY(const auto extra, decode<SavedExtra>(body));
        NL_TRY(requests, RequestWindow::load(extra.requests));
        shift = extra.index_shift;
        ahead.clear();
    }
    NL_TRY(auto store, state::Store::load([&](std::size_t max) -> Result<Bytes> {
        if (ahead.empty()) {
            return source(max);
        }
        Bytes part = ahead.substr(0, max);
        ahead.erase(0, part.size());
        return part;
    }));
    return SavedState{
        .store = std::move(store), .requests = std::move(requests), .index_shift = shift
    };
}

// The blocks and records of docs/formats/state_snapshot.md, without looking into the rows.
Result<std::vector<SavedCount>> count_saved(BytesView state) {
    constexpr std::string_view kStateMagic = "NLSTATE1";
    constexpr std::uint64_t kRow = 2;
    constexpr std::uint64_t kAlloc = 7;
    const auto damaged = [] { return fail(ErrorCode::Corruption, "the saved state is cut short"); };
    if (!state.starts_with(kStateMagic)) {
        return fail(ErrorCode::Corruption, "the saved state does not begin like one of this version");
    }
    state.remove_prefix(kStateMagic.size());
    std::map<std::string, SavedCount> tables;
    while (!state.empty()) {
        if (state.size() < 8 || state.size() - 8 < get_u32(state)) {
            return damaged();
        }
        const BytesView block = state.substr(8, get_u32(state));
        if (crc32c(block) != get_u32(state.substr(4))) {
            return fail(ErrorCode::Corruption, "a block of the saved state is damaged");
        }
        state.remove_prefix(8 + block.size());
        codec::Reader r(block);
        while (!r.done() && !r.failed()) {
            const std::uint64_t kind = r.varint();
            const std::uint64_t size = r.varint();
            const BytesView record = r.take(size);
            if (r.failed()) {
                return damaged();
            }
            if (kind != kRow && kind != kAlloc) {
                continue;
            }
            auto table = state::TableId::Allocs;
            if (kind == kRow) {
                // The table's number is the row's first field; the first table's is left out.
                codec::Reader fields(record);
                const std::uint64_t number =
                    !record.empty() && fields.varint() == (1 << 2 | 0) ? fields.varint() : 0;
                table = static_cast<state::TableId>(number);
            }
            SavedCount& count = tables[std::string(to_string(table))];
            ++count.count;
            count.bytes += size;
        }
    }
    std::vector<SavedCount> out;
    for (auto& [name, count] : tables) {
        count.table = name;
        out.push_back(std::move(count));
    }
    return out;
}

}  // namespace nl::server

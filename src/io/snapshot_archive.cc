#include "io/snapshot_archive.h"

#include "base/check.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>

namespace nl::io {

namespace {

constexpr std::size_t kTarBlock = 512;
constexpr std::size_t kPiece = 256 * 1024;
/// zlib: the largest window, in gzip's frame.
constexpr int kGzipWindow = 15 + 16;

using Hash = std::array<unsigned char, 32>;

Hash sha256(BytesView data) {
    Hash hash{};
    unsigned size = 0;
    const int done =
        EVP_Digest(data.data(), data.size(), hash.data(), &size, EVP_sha256(), nullptr);
    NL_ASSERT(done == 1);
    NL_ASSERT(size == hash.size());
    return hash;
}

std::string hex(const Hash& hash) {
    std::string out;
    for (const unsigned char byte : hash) {
        out += fmt::format("{:02x}", byte);
    }
    return out;
}

void put_octal(char* field, std::size_t width, std::uint64_t value) {
    const std::string text = fmt::format("{:0{}o}", value, width - 1);
    std::memcpy(field, text.data(), width - 1);
}

// The POSIX header (ustar) of a plain file.
void put_tar(Bytes& out, const std::string& name, BytesView content) {
    Bytes head(kTarBlock, '\0');
    std::memcpy(head.data(), name.data(), name.size());
    put_octal(head.data() + 100, 8, 0600);
    put_octal(head.data() + 108, 8, 0);
    put_octal(head.data() + 116, 8, 0);
    put_octal(head.data() + 124, 12, content.size());
    put_octal(head.data() + 136, 12, 0);
    std::memset(head.data() + 148, ' ', 8);
    head[156] = '0';
    std::memcpy(head.data() + 257, "ustar\00000", 8);
    std::uint64_t sum = 0;
    for (const char c : head) {
        sum += static_cast<unsigned char>(c);
    }
    put_octal(head.data() + 148, 7, sum);
    out += head;
    out += content;
    out.append((kTarBlock - content.size() % kTarBlock) % kTarBlock, '\0');
}

std::uint64_t octal(BytesView field) {
    std::uint64_t value = 0;
    for (const char c : field) {
        if (c < '0' || c > '7') {
            break;
        }
        value = value * 8 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

Result<std::map<std::string, Bytes>> read_tar(BytesView tar) {
    std::map<std::string, Bytes> files;
    while (tar.size() >= kTarBlock && tar.front() != '\0') {
        const BytesView head = tar.substr(0, kTarBlock);
        if (head.substr(257, 5) != "ustar") {
            return fail(ErrorCode::InvalidArgument, "the snapshot file is no tar archive");
        }
        const std::string name(head.data(), strnlen(head.data(), 100));
        const std::uint64_t size = octal(head.substr(124, 12));
        tar.remove_prefix(kTarBlock);
        const std::uint64_t padded = (size + kTarBlock - 1) / kTarBlock * kTarBlock;
        if (size > kArchiveBytesMax || padded > tar.size()) {
            return fail(ErrorCode::Corruption, "\"{}\" of the snapshot file is cut short", name);
        }
        if (head[156] == '0' || head[156] == '\0') {
            files[name] = Bytes(tar.substr(0, size));
        }
        tar.remove_prefix(padded);
    }
    return files;
}

}  // namespace

Bytes gzip(BytesView data) {
    z_stream stream{};
    const int begun =
        deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY);
    NL_ASSERT(begun == Z_OK);
    Bytes out;
    Bytes piece(kPiece, '\0');
    int state = Z_OK;
    while (state != Z_STREAM_END) {
        const std::size_t give = std::min(data.size(), kPiece);
        // zlib's interface is not const; it only reads.
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
        stream.avail_in = static_cast<uInt>(give);
        data.remove_prefix(give);
        do {
            stream.next_out = reinterpret_cast<Bytef*>(piece.data());
            stream.avail_out = static_cast<uInt>(piece.size());
            state = deflate(&stream, data.empty() ? Z_FINISH : Z_NO_FLUSH);
            NL_ASSERT(state != Z_STREAM_ERROR);
            out.append(piece, 0, piece.size() - stream.avail_out);
        } while (stream.avail_out == 0);
    }
    deflateEnd(&stream);
    return out;
}

Result<Bytes> gunzip(BytesView data, std::size_t bytes_max) {
    z_stream stream{};
    if (inflateInit2(&stream, kGzipWindow) != Z_OK) {
        return fail(ErrorCode::Internal, "zlib cannot be used");
    }
    Bytes out;
    Bytes piece(kPiece, '\0');
    int state = Z_OK;
    while (state == Z_OK) {
        if (stream.avail_in == 0) {
            const std::size_t give = std::min(data.size(), kPiece);
            stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
            stream.avail_in = static_cast<uInt>(give);
            data.remove_prefix(give);
        }
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        state = inflate(&stream, Z_NO_FLUSH);
        const std::size_t got = piece.size() - stream.avail_out;
        if (out.size() + got > bytes_max) {
            inflateEnd(&stream);
            return fail(ErrorCode::TooLarge, "unpacked it is larger than {} bytes", bytes_max);
        }
        out.append(piece, 0, got);
        if (state == Z_BUF_ERROR && data.empty()) {
            break;
        }
    }
    inflateEnd(&stream);
    if (state != Z_STREAM_END) {
        return fail(ErrorCode::Corruption, "its gzip form is damaged or cut short");
    }
    return out;
}

Bytes pack_snapshot(const SnapshotArchive& archive) {
    const std::string sums = fmt::format(
        "{}  meta.json\n{}  state.bin\n", hex(sha256(archive.meta)), hex(sha256(archive.state))
    );
    Bytes tar;
    put_tar(tar, "meta.json", archive.meta);
    put_tar(tar, "state.bin", archive.state);
    put_tar(tar, "SHA256SUMS", sums);
    tar.append(kTarBlock * 2, '\0');
    return gzip(tar);
}

Result<SnapshotArchive> unpack_snapshot(BytesView packed) {
    auto tar = gunzip(packed, kArchiveBytesMax);
    if (!tar) {
        return fail(tar.error().code, "the snapshot file cannot be read: {}", tar.error().message);
    }
    NL_TRY(auto files, read_tar(*tar));
    for (const char* name : {"meta.json", "state.bin", "SHA256SUMS"}) {
        if (!files.contains(name)) {
            return fail(ErrorCode::InvalidArgument, "the snapshot file has no \"{}\"", name);
        }
    }
    const Bytes& sums = files["SHA256SUMS"];
    for (const char* name : {"meta.json", "state.bin"}) {
        const std::string line = fmt::format("{}  {}\n", hex(sha256(files[name])), name);
        if (!sums.contains(line)) {
            return fail(
                ErrorCode::Corruption, "\"{}\" of the snapshot file does not match its hash", name
            );
        }
    }
    return SnapshotArchive{
        .meta = std::move(files["meta.json"]), .state = std::move(files["state.bin"])
    };
}

std::string snapshot_digest(BytesView packed) {
    const Hash hash = sha256(packed);
    std::string base64(4 * ((hash.size() + 2) / 3), '\0');
    const int size = EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(base64.data()), hash.data(), static_cast<int>(hash.size())
    );
    base64.resize(static_cast<std::size_t>(size));
    return "sha-256=" + base64;
}

}  // namespace nl::io

#pragma once
// The file of `operator snapshot save`: a gzip'ed tar of meta.json, state.bin and SHA256SUMS, like
// Nomad's. Made and read in memory; nothing is trusted: sizes are bounded and every checksum is
// looked at. docs/formats/snapshot_archive.md.

#include "base/bytes.h"
#include "base/error.h"

#include <cstddef>
#include <string>

namespace nl::io {

struct SnapshotArchive {
    /// JSON: ID, Index, Term, Version, Size, Configuration, Tables.
    Bytes meta;
    /// What the state store saved (docs/formats/state_snapshot.md).
    Bytes state;
};

/// A file unpacked is never larger.
inline constexpr std::size_t kArchiveBytesMax = std::size_t{2} << 30;

Bytes pack_snapshot(const SnapshotArchive& archive);
/// Errors: InvalidArgument for what is no such file, Corruption for one whose checksums do not fit,
/// TooLarge.
Result<SnapshotArchive> unpack_snapshot(BytesView packed);

/// The value of the Digest header: "sha-256=" and the hash in base64.
std::string snapshot_digest(BytesView packed);

/// gzip at the fast level, for what goes into the log.
Bytes gzip(BytesView data);
/// Errors: Corruption, TooLarge.
Result<Bytes> gunzip(BytesView data, std::size_t bytes_max);

}  // namespace nl::io

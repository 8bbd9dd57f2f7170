#include "io/internal/log_database.h"

#include "base/check.h"
#include "io/files.h"
#include "io/log.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace nl::io {

namespace {

constexpr std::size_t kWriteBufferBytes = 4 * 1024 * 1024;
constexpr std::size_t kCacheBytes = 1024 * 1024;
/// RocksDB writes the memtable out when the write-ahead logs together reach this.
constexpr std::size_t kWalBytesMax = 16 * 1024 * 1024;
constexpr int kOpenFilesMax = 64;
constexpr std::size_t kSalvageBatchBytes = 1024 * 1024;
constexpr int kSetAsideMax = 1'000;
constexpr std::uint64_t kLinksKept = 1 << 18;
constexpr std::uint64_t kLinksPruneEvery = 1 << 14;

const std::string kFormatKey = "mformat";
const std::string kHardStateKey = "mhard_state";
const std::string kBaseKey = "mbase";
const std::string kDamageKey = "mdamage";
const std::string kFormat = "1";

std::string big_endian(char prefix, std::uint64_t n) {
    std::string key(9, prefix);
    for (int i = 0; i < 8; ++i) {
        key[static_cast<std::size_t>(8 - i)] = static_cast<char>(n >> (8 * i) & 0xff);
    }
    return key;
}
std::string entry_key(Index index) {
    return big_endian('e', index.value);
}
std::string link_key(std::uint64_t sequence) {
    return big_endian('b', sequence);
}
std::uint64_t number_of(BytesView key) {
    std::uint64_t n = 0;
    for (const char c : key.substr(1)) {
        n = n << 8 | static_cast<unsigned char>(c);
    }
    return n;
}

/// Four bytes of crc32c, then the content; the checksum covers the key too, so that a value under
/// another key is noticed.
Bytes seal(const std::string& key, BytesView content) {
    const std::uint32_t sum = crc32c(content, crc32c(key));
    Bytes out;
    out.reserve(content.size() + 4);
    for (int i = 0; i < 4; ++i) {
        out.push_back(static_cast<char>(sum >> (8 * i) & 0xff));
    }
    out += content;
    return out;
}
Result<BytesView> unseal(BytesView key, BytesView value) {
    if (value.size() < 4) {
        return fail(ErrorCode::Corruption, "is cut short");
    }
    std::uint32_t told = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        told |= static_cast<std::uint32_t>(static_cast<unsigned char>(value[i])) << (8 * i);
    }
    if (crc32c(value.substr(4), crc32c(key)) != told) {
        return fail(ErrorCode::Corruption, "does not match its checksum");
    }
    return value.substr(4);
}

struct Entry {
    std::uint64_t sequence{0};
    env::LogRecord record;
};
Bytes entry_content(std::uint64_t sequence, const env::LogRecord& record) {
    Bytes out;
    codec::Writer w(out);
    w.varint(sequence);
    w.varint(record.term.value);
    w.raw(record.data);
    return out;
}
Result<Entry> parse_entry(BytesView key, BytesView value) {
    const Index index(number_of(key));
    const auto content = unseal(key, value);
    if (!content) {
        return fail(ErrorCode::Corruption, "log entry {} {}", index, content.error().message);
    }
    codec::Reader r(*content);
    Entry entry;
    entry.sequence = r.varint();
    entry.record.index = index;
    entry.record.term = Term(r.varint());
    if (r.failed()) {
        return fail(ErrorCode::Corruption, "log entry {} is cut short", index);
    }
    entry.record.data = content->substr(content->size() - r.left());
    return entry;
}

// A full disk can be waited for. If it was the sync that found no room, what the kernel still holds
// of earlier writes is not known, and nothing may be built on it.
bool is_full_disk(const rocksdb::Status& status) {
    const std::string text = status.ToString();
    return (status.IsNoSpace() || status.subcode() == rocksdb::Status::kNoSpace) &&
           !text.contains("sync");
}

Error to_error(const rocksdb::Status& status, std::string_view what) {
    const ErrorCode code = status.IsCorruption()    ? ErrorCode::Corruption
                           : is_full_disk(status) ? ErrorCode::ResourceExhausted
                                                  : ErrorCode::Unavailable;
    return Error{code, fmt::format("cannot {}: {}", what, status.ToString())};
}

rocksdb::Options make_options(rocksdb::WALRecoveryMode mode, rocksdb::Env* env) {
    rocksdb::Options options;
    if (env != nullptr) {
        options.env = env;
    }
    options.create_if_missing = true;
    options.paranoid_checks = true;
    // The other modes open a log that is damaged in the middle and silently lose what follows, and
    // recycled log files work only with those (docs/adr: RocksDB for the Raft log).
    options.wal_recovery_mode = mode;
    options.recycle_log_file_num = 0;
    options.manual_wal_flush = false;
    options.track_and_verify_wals_in_manifest = true;
    options.write_buffer_size = kWriteBufferBytes;
    options.max_write_buffer_number = 2;
    options.max_total_wal_size = kWalBytesMax;
    options.max_background_jobs = 1;
    options.max_open_files = kOpenFilesMax;
    options.compression = rocksdb::kNoCompression;
    options.avoid_flush_during_shutdown = true;
    options.skip_stats_update_on_db_open = true;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.max_manifest_file_size = 1024 * 1024;
    options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
    options.max_log_file_size = 256 * 1024;
    options.keep_log_file_num = 2;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(kCacheBytes);
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

/// The value of `key`, or nothing when it is absent.
Result<std::optional<Bytes>> get_sealed(rocksdb::DB& db, const std::string& key) {
    std::string value;
    const rocksdb::Status status = db.Get({}, key, &value);
    if (status.IsNotFound()) {
        return std::optional<Bytes>();
    }
    if (!status.ok()) {
        return std::unexpected(to_error(status, fmt::format("read {} of the log", key.substr(1))));
    }
    const auto content = unseal(key, value);
    if (!content) {
        return fail(
            ErrorCode::Corruption, "{} of the log {}", key.substr(1), content.error().message
        );
    }
    return std::optional<Bytes>(Bytes(*content));
}

template <class T>
Result<T> get_struct(rocksdb::DB& db, const std::string& key) {
    NL_TRY(const auto bytes, get_sealed(db, key));
    if (!bytes) {
        return T{};
    }
    return decode<T>(*bytes);
}

/// Term and vote are stored behind the number of the batch that wrote them.
struct HardState {
    std::uint64_t sequence{0};
    Bytes bytes;
};
Result<std::optional<HardState>> get_hard_state(rocksdb::DB& db) {
    NL_TRY(const auto content, get_sealed(db, kHardStateKey));
    if (!content) {
        return std::optional<HardState>();
    }
    codec::Reader r(*content);
    HardState hard;
    hard.sequence = r.varint();
    if (r.failed()) {
        return fail(ErrorCode::Corruption, "term and vote of the log are cut short");
    }
    hard.bytes = content->substr(content->size() - r.left());
    return std::optional(std::move(hard));
}

/// The write-ahead log after the last whole batch: does a later batch stand behind what cannot be
/// read? Then acknowledged writes are damaged. If not, it is a write that was cut off by a crash
/// and was never acknowledged. Looks for the keys of the links that would follow.
bool has_later_batch(const std::string& directory, std::uint64_t last_sequence) {
    constexpr std::uint64_t kFollowersTried = 64;
    const auto names = list_directory(directory);
    if (!names) {
        return true;
    }
    for (const std::string& name : *names) {
        if (!name.ends_with(".log")) {
            continue;
        }
        const auto content = read_file(directory + "/" + name);
        if (!content) {
            return true;
        }
        // last + 1 is the batch that cannot be read; a key may be split by RocksDB's blocks, so
        // several are tried.
        for (std::uint64_t i = 2; i < 2 + kFollowersTried; ++i) {
            if (content->contains(link_key(last_sequence + i))) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace

LogDatabase::Batch::Batch(LogDatabase& database)
    : database_(database), link_(database.link_), sum_(database.link_.checksum) {
    link_.previous = link_.checksum;
    ++link_.sequence;
}

void LogDatabase::Batch::put(const std::string& key, const Bytes& value) {
    sum_ = crc32c(value, crc32c(key, sum_));
    writes_.Put(key, value);
}

void LogDatabase::Batch::erase(const std::string& from, const std::string& to) {
    sum_ = crc32c(to, crc32c(from, sum_));
    writes_.DeleteRange(from, to);
}

void LogDatabase::Batch::put_hard_state(BytesView bytes) {
    Bytes content;
    codec::Writer w(content);
    w.varint(link_.sequence);
    w.raw(bytes);
    put(kHardStateKey, seal(kHardStateKey, content));
    link_.hard_state_sequence = link_.sequence;
}

void LogDatabase::Batch::put_records(
    const std::vector<std::shared_ptr<const env::LogRecord>>& records
) {
    if (records.empty()) {
        return;
    }
    const Index first = records.front()->index;
    const Index last = records.back()->index;
    NL_ASSERT(first >= link_.first);
    NL_ASSERT(first <= link_.last.next());
    if (link_.last > last) {
        erase(entry_key(last.next()), entry_key(link_.last.next()));
    }
    for (const auto& record : records) {
        const std::string key = entry_key(record->index);
        put(key, seal(key, entry_content(link_.sequence, *record)));
    }
    link_.last = last;
}

void LogDatabase::Batch::compact(Index through, Term term) {
    NL_ASSERT(through <= link_.last);
    if (through < link_.first) {
        return;
    }
    put(kBaseKey, seal(kBaseKey, encode(LogBase{through, term})));
    erase(entry_key(link_.first), entry_key(through.next()));
    link_.first = through.next();
}

void LogDatabase::Batch::reset(Index through, Term term) {
    put(kBaseKey, seal(kBaseKey, encode(LogBase{through, term})));
    erase(entry_key(Index(0)), entry_key(Index(UINT64_MAX)));
    link_.first = through.next();
    link_.last = through;
    forget_damage();
}

void LogDatabase::Batch::forget_damage() {
    sum_ = crc32c(kDamageKey, sum_);
    writes_.Delete(kDamageKey);
}

void LogDatabase::Batch::put_damage(const LogDamages& damages) {
    put(kDamageKey, seal(kDamageKey, encode(damages)));
}

Result<void> LogDatabase::Batch::commit() {
    link_.checksum = sum_;
    const std::string key = link_key(link_.sequence);
    writes_.Put(key, seal(key, encode(link_)));
    // Links are needed only as far back as a crash may reach, which is what RocksDB has not moved
    // from its write-ahead log into tables; kLinksKept batches are far more than that holds.
    if (link_.sequence % kLinksPruneEvery == 0 && link_.sequence > kLinksKept) {
        writes_.DeleteRange(link_key(0), link_key(link_.sequence - kLinksKept));
    }
    rocksdb::WriteOptions options;
    options.sync = true;
    const rocksdb::Status status = database_.db_->Write(options, &writes_);
    if (!status.ok()) {
        return std::unexpected(to_error(status, "write the log"));
    }
    database_.link_ = link_;
    return {};
}

Result<std::vector<env::LogRecord>> LogDatabase::read(
    Index first, Index last, std::size_t max_bytes
) const {
    std::vector<env::LogRecord> records;
    std::size_t bytes = 0;
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
    Index expected = first;
    for (it->Seek(entry_key(first)); it->Valid() && expected <= last; it->Next()) {
        const BytesView key(it->key().data(), it->key().size());
        if (key != entry_key(expected)) {
            break;
        }
        NL_TRY(auto entry, parse_entry(key, BytesView(it->value().data(), it->value().size())));
        if (!records.empty() && bytes + entry.record.data.size() > max_bytes) {
            return records;
        }
        bytes += entry.record.data.size();
        records.push_back(std::move(entry.record));
        ++expected;
    }
    // What lies behind the last one asked for is not this call's business.
    if (expected <= last) {
        if (!it->status().ok()) {
            return std::unexpected(
                to_error(it->status(), fmt::format("read log entry {}", expected))
            );
        }
        return fail(ErrorCode::Corruption, "log entry {} is missing", expected);
    }
    return records;
}

Result<void> LogDatabase::scan_links(const LogBase& base) {
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}));
    bool is_first = true;
    for (it->Seek(link_key(0)); it->Valid() && it->key().starts_with("b"); it->Next()) {
        const BytesView key(it->key().data(), it->key().size());
        const auto content = unseal(key, BytesView(it->value().data(), it->value().size()));
        if (!content) {
            return fail(
                ErrorCode::Corruption,
                "batch {} of the log {}",
                number_of(key),
                content.error().message
            );
        }
        NL_TRY(const auto link, decode<LogLink>(*content));
        if (!is_first && link.sequence != link_.sequence + 1) {
            return fail(
                ErrorCode::Corruption,
                "batches {} to {} of the log are missing",
                link_.sequence + 1,
                link.sequence - 1
            );
        }
        if (!is_first && link.previous != link_.checksum) {
            return fail(
                ErrorCode::Corruption,
                "batch {} of the log does not follow the one before it",
                link.sequence
            );
        }
        link_ = link;
        is_first = false;
    }
    if (!it->status().ok()) {
        return std::unexpected(to_error(it->status(), "read the batches of the log"));
    }
    if (link_.sequence != 0 && link_.first != base.index.next()) {
        return fail(
            ErrorCode::Corruption,
            "the log should begin at entry {} and begins at {}",
            link_.first,
            base.index.next()
        );
    }
    return {};
}

Result<void> LogDatabase::scan(env::Recovered& recovered) {
    recovered = {};
    recovered.fresh = false;
    NL_TRY(const auto base, get_struct<LogBase>(*db_, kBaseKey));
    recovered.first = base.index.next();
    recovered.last = base.index;
    recovered.last_term = base.term;
    link_ = LogLink{};
    link_.first = recovered.first;
    link_.last = recovered.last;

    // What is wrong outside the entries is told only after they have been read, so that a salvage
    // knows how far they are whole.
    const auto hard_state = get_hard_state(*db_);
    if (hard_state && *hard_state) {
        recovered.hard_state = (**hard_state).bytes;
    }
    const auto links = scan_links(base);

    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}));
    std::uint64_t sequence = 0;
    for (it->Seek(entry_key(Index(0))); it->Valid() && it->key().starts_with("e"); it->Next()) {
        const BytesView key(it->key().data(), it->key().size());
        NL_TRY(
            const auto entry, parse_entry(key, BytesView(it->value().data(), it->value().size()))
        );
        if (entry.record.index != recovered.last.next()) {
            return fail(ErrorCode::Corruption, "log entry {} is missing", recovered.last.next());
        }
        if (entry.sequence < sequence || entry.record.term < recovered.last_term) {
            return fail(
                ErrorCode::Corruption,
                "log entry {} is older than the one before it",
                entry.record.index
            );
        }
        sequence = entry.sequence;
        recovered.last = entry.record.index;
        recovered.last_term = entry.record.term;
    }
    if (!it->status().ok()) {
        return std::unexpected(
            to_error(it->status(), fmt::format("read log entry {}", recovered.last.next()))
        );
    }
    NL_TRY_VOID(links);
    if (link_.sequence != 0 && (link_.last != recovered.last || sequence > link_.sequence)) {
        return fail(
            ErrorCode::Corruption,
            "the log should end at entry {} and ends at {}",
            link_.last,
            recovered.last
        );
    }
    if (!hard_state) {
        return std::unexpected(hard_state.error());
    }
    const std::uint64_t written = *hard_state ? (**hard_state).sequence : 0;
    if (written != link_.hard_state_sequence) {
        return fail(
            ErrorCode::Corruption,
            "term and vote of the log are of batch {} and not of batch {}",
            written,
            link_.hard_state_sequence
        );
    }
    NL_TRY(const auto damages, get_struct<LogDamages>(*db_, kDamageKey));
    for (const LogDamage& damage : damages.ranges) {
        if (damage.last > recovered.last) {
            recovered.damaged.push_back({damage.first, damage.last, damage.reason});
        }
    }
    return {};
}

Result<void> LogDatabase::put_format() {
    // In a table, not only in the write-ahead log: a log that loses its newest file must not look
    // like one that has never been used.
    rocksdb::Status made = db_->Put({}, kFormatKey, kFormat);
    if (made.ok()) {
        made = db_->Flush({});
    }
    if (!made.ok()) {
        return std::unexpected(to_error(made, "write the log"));
    }
    return {};
}

namespace {

// A server that does not know which terms it has promised itself to must take no part at all: it
// could vote twice, or take entries from a leader that others have left.
std::unexpected<Error> vote_lost(const std::string& directory, std::string_view why) {
    return fail(
        ErrorCode::Corruption,
        "the log in \"{}\" is damaged: {}, and with it this server's term and vote may be lost; "
        "move the server's data directory away and let it join anew",
        directory,
        why
    );
}

}  // namespace

Result<std::unique_ptr<LogDatabase>> LogDatabase::open(
    const std::string& directory, env::Recovered& recovered, rocksdb::Env* env
) {
    NL_TRY_VOID(make_directories(directory));
    NL_TRY(const auto names, list_directory(directory));
    const auto has_content = [](const std::string& name) {
        return name.ends_with(".log") || name.ends_with(".sst");
    };
    const bool has_wal =
        std::ranges::any_of(names, [](const std::string& name) { return name.ends_with(".log"); });
    if (!exists(directory + "/CURRENT") && std::ranges::any_of(names, has_content)) {
        return vote_lost(directory, "it has lost its file CURRENT");
    }
    rocksdb::DB* raw = nullptr;
    const auto options =
        make_options(rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords, env);
    const rocksdb::Status status = rocksdb::DB::Open(options, directory, &raw);
    std::unique_ptr<rocksdb::DB> db(raw);
    if (!status.ok()) {
        const Error error = to_error(status, fmt::format("open the log in \"{}\"", directory));
        if (error.code == ErrorCode::Corruption) {
            return salvage(directory, error, End::MayBeTorn, recovered, env);
        }
        return std::unexpected(error);
    }
    std::unique_ptr<LogDatabase> database(new LogDatabase(std::move(db)));

    std::string format;
    const rocksdb::Status read = database->db_->Get({}, kFormatKey, &format);
    if (read.IsNotFound()) {
        const std::unique_ptr<rocksdb::Iterator> it(database->db_->NewIterator({}));
        it->SeekToFirst();
        if (it->Valid()) {
            return fail(
                ErrorCode::Corruption, "\"{}\" holds a database that is not our log", directory
            );
        }
        NL_TRY_VOID(database->put_format());
        recovered = {};
        database->link_.first = recovered.first;
        database->link_.last = recovered.last;
        return database;
    }
    if (read.ok() && format != kFormat) {
        return fail(
            ErrorCode::FailedPrecondition,
            "the log in \"{}\" is of format {}, this program knows {}",
            directory,
            format,
            kFormat
        );
    }
    if (!has_wal) {
        return vote_lost(directory, "its newest part has been removed");
    }
    auto checked = read.ok() ? database->scan(recovered)
                             : std::unexpected(to_error(read, "read the log's format"));
    if (!checked) {
        if (checked.error().code != ErrorCode::Corruption) {
            return std::unexpected(checked.error());
        }
        database.reset();
        return salvage(directory, checked.error(), End::Lost, recovered, env);
    }
    recovered.fresh = database->link_.sequence == 0;
    return database;
}

namespace {

/// The newest link and the newest term and vote, from wherever they can be read.
struct Newest {
    std::optional<LogLink> link;
    std::optional<HardState> hard;

    void take(BytesView key, BytesView value) {
        const auto content = unseal(key, value);
        if (!content) {
            return;
        }
        if (key == kHardStateKey) {
            codec::Reader r(*content);
            HardState found;
            found.sequence = r.varint();
            if (!r.failed() && (!hard || found.sequence > hard->sequence)) {
                found.bytes = content->substr(content->size() - r.left());
                hard = std::move(found);
            }
        } else if (const auto found = decode<LogLink>(*content)) {
            if (!link || found->sequence > link->sequence) {
                link = *found;
            }
        }
    }
};

// RocksDB's reader gives up the rest of a block behind a record that fails its checksum. What our
// own values hold is sealed by itself, so the block's records are walked by their lengths alone,
// put together, and searched for them. Format: RocksDB's wiki, "Write Ahead Log File Format".
void search_wal(BytesView file, Newest& newest) {
    constexpr std::size_t kBlock = 32'768;
    constexpr std::size_t kHeader = 7;
    constexpr char kValueTag = 1;
    Bytes payload;
    for (; !file.empty(); file.remove_prefix(std::min(kBlock, file.size()))) {
        BytesView block = file.substr(0, kBlock);
        while (block.size() > kHeader) {
            const auto length = static_cast<std::size_t>(
                static_cast<unsigned char>(block[4]) | static_cast<unsigned char>(block[5]) << 8
            );
            if (length > block.size() - kHeader || block[6] < 1 || block[6] > 4) {
                break;
            }
            payload += block.substr(kHeader, length);
            block.remove_prefix(kHeader + length);
        }
    }
    const BytesView all = payload;
    for (std::size_t at = 0; at + 1 < all.size(); ++at) {
        if (all[at] != kValueTag) {
            continue;
        }
        const auto key_size = static_cast<std::size_t>(static_cast<unsigned char>(all[at + 1]));
        const BytesView key = all.substr(at + 2, key_size);
        const bool ours = key.size() == key_size && ((key_size == 9 && key.front() == 'b') ||
                                                     key == kHardStateKey);
        if (!ours) {
            continue;
        }
        codec::Reader r(all.substr(at + 2 + key_size));
        const BytesView value = r.sized();
        if (!r.failed()) {
            newest.take(key, value);
        }
    }
}

}  // namespace

std::optional<LogDatabase::Behind> LogDatabase::look_behind_damage(
    const std::string& directory, rocksdb::Env* env
) {
    Newest newest;
    rocksdb::DB* raw = nullptr;
    auto options = make_options(rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords, env);
    options.create_if_missing = false;
    options.track_and_verify_wals_in_manifest = false;
    options.paranoid_checks = false;
    if (rocksdb::DB::OpenForReadOnly(options, directory, &raw).ok()) {
        const std::unique_ptr<rocksdb::DB> db(raw);
        const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}));
        for (it->Seek(link_key(0)); it->Valid() && it->key().starts_with("b"); it->Next()) {
            newest.take(
                BytesView(it->key().data(), it->key().size()),
                BytesView(it->value().data(), it->value().size())
            );
        }
        std::string hard;
        if (db->Get({}, kHardStateKey, &hard).ok()) {
            newest.take(kHardStateKey, hard);
        }
    }
    const auto names = list_directory(directory);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        if (!name.ends_with(".log")) {
            continue;
        }
        const auto content = read_file(directory + "/" + name);
        if (!content) {
            return std::nullopt;
        }
        search_wal(*content, newest);
    }
    if (!newest.link) {
        return std::nullopt;
    }
    Behind behind{.last = newest.link->last, .hard_state = {}};
    if (newest.link->hard_state_sequence == 0) {
        return behind;
    }
    if (!newest.hard || newest.hard->sequence != newest.link->hard_state_sequence) {
        // A vote may be lost with it.
        return std::nullopt;
    }
    behind.hard_state = newest.hard->bytes;
    return behind;
}

Result<std::unique_ptr<LogDatabase>> LogDatabase::salvage(
    const std::string& directory,
    const Error& reason,
    End end,
    env::Recovered& recovered,
    rocksdb::Env* env
) {
    std::string aside;
    for (int i = 1; i <= kSetAsideMax; ++i) {
        aside = fmt::format("{}.damaged-{}", directory, i);
        if (!exists(aside)) {
            break;
        }
    }
    const auto behind = look_behind_damage(directory, env);
    if (!behind && end == End::Lost) {
        return vote_lost(directory, reason.message);
    }
    if (std::rename(directory.c_str(), aside.c_str()) != 0) {
        return fail(
            ErrorCode::Corruption,
            "{}; and the directory cannot be set aside as \"{}\"",
            reason.message,
            aside
        );
    }

    // Everything up to the damage, in the order of writing: a prefix of what was acknowledged.
    env::Recovered whole;
    Index lost_through{0};
    bool is_torn_tail = false;
    rocksdb::DB* raw = nullptr;
    auto options = make_options(rocksdb::WALRecoveryMode::kPointInTimeRecovery, env);
    options.create_if_missing = false;
    options.track_and_verify_wals_in_manifest = false;
    options.paranoid_checks = false;
    std::unique_ptr<LogDatabase> old;
    if (rocksdb::DB::OpenForReadOnly(options, aside, &raw).ok()) {
        old.reset(new LogDatabase(std::unique_ptr<rocksdb::DB>(raw)));
        const auto scanned = old->scan(whole);
        lost_through = old->link_.last;
        is_torn_tail = end == End::MayBeTorn && scanned.has_value() &&
                       !has_later_batch(aside, old->link_.sequence);
    }
    whole.fresh = false;

    rocksdb::DB* fresh = nullptr;
    const rocksdb::Status made = rocksdb::DB::Open(
        make_options(rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords, env),
        directory,
        &fresh
    );
    if (!made.ok()) {
        return std::unexpected(to_error(made, fmt::format("make a log in \"{}\"", directory)));
    }
    std::unique_ptr<LogDatabase> database(new LogDatabase(std::unique_ptr<rocksdb::DB>(fresh)));
    NL_TRY_VOID(database->put_format());
    Batch begin(*database);
    const Index base(whole.first.value - 1);
    Term base_term;
    if (old) {
        base_term = get_struct<LogBase>(*old->db_, kBaseKey).value_or(LogBase{}).term;
    }
    begin.reset(base, base_term);
    if (!is_torn_tail) {
        // How far the log went, and the newest term and vote, stand behind the damage.
        if (!behind) {
            return vote_lost(aside, reason.message);
        }
        lost_through = std::max(lost_through, behind->last);
        if (behind->hard_state) {
            whole.hard_state = behind->hard_state;
        }
        const LogDamage damage{
            whole.last.next(),
            std::max(lost_through, whole.last.next()),
            fmt::format("{} (kept as \"{}\")", reason.message, aside)
        };
        begin.put_damage({{damage}});
        whole.damaged.push_back({damage.first, damage.last, damage.reason});
    }
    NL_TRY_VOID(begin.commit());
    for (Index next = whole.first; next <= whole.last;) {
        NL_TRY(auto records, old->read(next, whole.last, kSalvageBatchBytes));
        std::vector<std::shared_ptr<const env::LogRecord>> shared;
        for (env::LogRecord& record : records) {
            next = record.index.next();
            shared.push_back(std::make_shared<const env::LogRecord>(std::move(record)));
        }
        Batch copy(*database);
        copy.put_records(shared);
        NL_TRY_VOID(copy.commit());
    }
    if (whole.hard_state) {
        Batch hard(*database);
        hard.put_hard_state(*whole.hard_state);
        NL_TRY_VOID(hard.commit());
    }
    log_warn(
        "log",
        "{}: {}; entries {} to {} are whole, the old directory is \"{}\"",
        is_torn_tail ? "a write cut off by a crash was dropped" : "the log is damaged",
        reason.message,
        whole.first,
        whole.last,
        aside
    );
    recovered = std::move(whole);
    return database;
}

}  // namespace nl::io

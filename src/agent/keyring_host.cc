#include "agent/keyring_host.h"

#include "crypto/keys.h"
#include "io/entropy.h"
#include "io/files.h"
#include "io/key_generation.h"
#include "io/log.h"
#include "state/commands/records.h"
#include "state/commands/settings.h"

#include <algorithm>
#include <filesystem>

namespace nl::agent {
namespace {

namespace commands = state::commands;

constexpr std::string_view kOwnFile = "server.key";
constexpr std::string_view kAlgorithm = "aes256-gcm";
constexpr std::size_t kFileBytesMax = 256;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\r')) {
        text.remove_suffix(1);
    }
    return text;
}

Result<Bytes> read_key(const std::string& file) {
    NL_TRY(const Bytes content, io::read_file(file, kFileBytesMax));
    auto key = base64_decode(trimmed(content));
    if (!key || key->size() != crypto::kCurveKeyBytes) {
        return fail(
            ErrorCode::Corruption,
            "{} does not hold a private key; restore it from a backup, for without it this server "
            "cannot read the variables",
            file
        );
    }
    return std::move(*key);
}

const state::RootKeyRow* active_row(const state::Snapshot& snapshot) {
    for (const state::RootKeyRow& row : snapshot.root_keys()) {
        if (row.meta.state == "active") {
            return &row;
        }
    }
    return nullptr;
}

bool misses_someone(const state::RootKeyRow& row, const std::vector<Bytes>& public_keys) {
    const std::vector<Bytes> have = policy::recipients_of(row.wrapped.bytes);
    return std::ranges::any_of(public_keys, [&](const Bytes& key) {
        return std::ranges::find(have, key) == have.end();
    });
}

}  // namespace

KeyringHost::KeyringHost(Options options)
    : options_(std::move(options)), maker_({.name = "keys"}) {}

KeyringHost::~KeyringHost() {
    stop();
}

void KeyringHost::stop() {
    maker_.stop();
}

Result<std::unique_ptr<KeyringHost>> KeyringHost::open(Options options) {
    std::unique_ptr<KeyringHost> host(new KeyringHost(std::move(options)));
    const std::string& directory = host->options_.directory;
    if (directory.empty()) {
        host->private_keys_.push_back(io::random_bytes(crypto::kCurveKeyBytes));
    } else {
        NL_TRY_VOID(io::make_directories(directory));
        std::error_code failed;
        std::filesystem::permissions(directory, std::filesystem::perms::owner_all, failed);
        if (failed) {
            return fail(
                ErrorCode::Unavailable, "{} cannot be closed to others: {}", directory, failed.message()
            );
        }
        const std::string own = directory + "/" + std::string(kOwnFile);
        if (!io::exists(own)) {
            const Bytes fresh = io::random_bytes(crypto::kCurveKeyBytes);
            NL_TRY_VOID(io::write_file_atomic(own, base64_encode(fresh) + "\n", 0600));
        }
        NL_TRY(Bytes key, read_key(own));
        host->private_keys_.push_back(std::move(key));
        for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
            if (entry.path().extension() == ".key" && entry.path().filename() != kOwnFile) {
                NL_TRY(Bytes other, read_key(entry.path().string()));
                host->private_keys_.push_back(std::move(other));
            }
        }
    }
    host->public_key_ = crypto::x25519_public(host->private_keys_.front());
    host->maker_.start();
    return host;
}

std::shared_ptr<const policy::Keyring> KeyringHost::keyring(const state::Snapshot& snapshot) {
    const Index changed = snapshot.table_index(state::TableId::RootKeys);
    const std::lock_guard lock(mutex_);
    if (changed == seen_ && keyring_) {
        return keyring_;
    }
    if (changed < seen_) {
        // An older snapshot: what is newer serves it as well.
        return keyring_;
    }
    auto fresh = std::make_shared<policy::Keyring>();
    for (const state::RootKeyRow& row : snapshot.root_keys()) {
        if (row.wrapped.bytes.empty()) {
            continue;
        }
        Result<policy::RootKey> key = fail(ErrorCode::NotFound, "no private key");
        for (const Bytes& private_key : private_keys_) {
            key = policy::unwrap(row.wrapped.bytes, private_key);
            if (key || key.error().code != ErrorCode::NotFound) {
                break;
            }
        }
        if (key) {
            fresh->keys.emplace(
                row.meta.key_id, std::make_shared<const policy::RootKey>(std::move(*key))
            );
        } else if (key.error().code != ErrorCode::NotFound) {
            io::log_error("keyring", "{}", key.error().message);
        }
    }
    seen_ = changed;
    keyring_ = fresh->keys.empty() ? nullptr : std::move(fresh);
    return keyring_;
}

bool KeyringHost::covers(const state::Snapshot& snapshot, const Bytes& public_key) {
    for (const state::RootKeyRow& row : snapshot.root_keys()) {
        if (misses_someone(row, {public_key})) {
            return false;
        }
    }
    return true;
}

state::RootKeyRow KeyringHost::row_of(
    const policy::RootKey& key, model::RootKeyMeta meta, const Members& members
) const {
    state::RootKeyRow row;
    row.meta = std::move(meta);
    row.meta.key_id = key.id;
    row.meta.algorithm = kAlgorithm;
    row.wrapped.bytes =
        policy::wrap(key, members.public_keys, io::random_bytes(policy::kEntropyBytes));
    row.public_key.bytes = encode(policy::public_keys(key));
    return row;
}

Result<std::pair<state::Command, std::string>> KeyringHost::rotation(
    const api::RotateRootKey& call,
    const state::Snapshot& snapshot,
    const Members& members,
    WallTime wall
) {
    // A key that only a minority could read would be lost with it.
    if (members.voters_known * 2 <= members.voters) {
        return fail(
            ErrorCode::Unavailable,
            "the public keys of {} of {} servers are known; a root key needs a majority",
            members.voters_known,
            members.voters
        );
    }
    const std::string id = io::random_uuid().str();
    const policy::RootKey key =
        policy::make_root_key(id, io::random_bytes(policy::kEntropyBytes));
    model::RootKeyMeta meta;
    meta.create_time = wall.unix_ns;
    meta.publish_time = call.publish.unix_ns;
    meta.state = call.publish.is_zero() ? "active" : "prepublished";
    commands::RootKeyUpsert command;
    command.rows.push_back(row_of(key, std::move(meta), members));
    if (call.full) {
        for (const state::RootKeyRow& row : snapshot.root_keys()) {
            command.rows.push_back(row);
            command.rows.back().meta.state = "rekeying";
        }
    }
    return std::pair(state::make_command(command, wall), id);
}

void KeyringHost::make_rsa(const std::string& id, const std::function<void()>& again) {
    {
        const std::lock_guard lock(mutex_);
        if (!rsa_wanted_.insert(id).second) {
            return;
        }
    }
    maker_.must_post([this, id, again] {
        Bytes made = io::generate_rsa_key();
        {
            const std::lock_guard lock(mutex_);
            rsa_made_.insert_or_assign(id, std::move(made));
        }
        again();
    });
}

std::vector<state::Command> KeyringHost::care(
    const state::Snapshot& snapshot,
    const Members& members,
    WallTime wall,
    const std::function<void()>& again
) {
    std::vector<state::Command> out;
    const auto keys = keyring(snapshot);
    const state::RootKeyRow* active = active_row(snapshot);
    if (active == nullptr) {
        bool published = false;
        for (const state::RootKeyRow& row : snapshot.root_keys()) {
            published |= row.meta.state == "prepublished";
        }
        if (!published) {
            if (auto made = rotation({}, snapshot, members, wall)) {
                out.push_back(std::move(made->first));
            }
            return out;
        }
    }
    commands::RootKeyUpsert changed;
    commands::RootKeyDelete gone;
    for (const state::RootKeyRow& row : snapshot.root_keys()) {
        const policy::RootKey* key = keys ? keys->find(row.meta.key_id) : nullptr;
        model::RootKeyMeta meta = row.meta;
        if (meta.state == "prepublished" && WallTime{meta.publish_time} <= wall) {
            meta.state = "active";
        }
        const auto users = snapshot.variables_of_key(meta.key_id);
        const bool unused = users.begin() == users.end();
        if (meta.state == "rekeying" && unused) {
            meta.state = "inactive";
        }
        if (row.meta.state == "inactive" && unused &&
            WallTime{meta.create_time} + options_.rotation_threshold + options_.gc_threshold <=
                wall) {
            gone.names.push_back(meta.key_id);
            continue;
        }
        if (key == nullptr) {
            continue;
        }
        policy::RootKey whole = *key;
        if (whole.rsa.empty()) {
            Bytes made;
            {
                const std::lock_guard lock(mutex_);
                if (const auto found = rsa_made_.find(whole.id); found != rsa_made_.end()) {
                    made = found->second;
                }
            }
            if (made.empty()) {
                make_rsa(whole.id, again);
            }
            whole.rsa = std::move(made);
        }
        const bool differs = whole.rsa != key->rsa || meta.state != row.meta.state;
        if (differs || misses_someone(row, members.public_keys)) {
            state::RootKeyRow fresh = row_of(whole, std::move(meta), members);
            // A public key that gives no agreement would be missed for ever.
            if (differs || policy::recipients_of(fresh.wrapped.bytes) !=
                               policy::recipients_of(row.wrapped.bytes)) {
                changed.rows.push_back(std::move(fresh));
            }
        }
    }
    if (!changed.rows.empty()) {
        out.push_back(state::make_command(changed, wall));
        return out;
    }
    if (!gone.names.empty()) {
        out.push_back(state::make_command(gone, wall));
    }
    if (active != nullptr &&
        WallTime{active->meta.create_time} + options_.rotation_threshold <= wall) {
        if (auto made = rotation({}, snapshot, members, wall)) {
            out.push_back(std::move(made->first));
        }
        return out;
    }
    const policy::RootKey* to =
        active != nullptr && keys ? keys->find(active->meta.key_id) : nullptr;
    for (const state::RootKeyRow& row : snapshot.root_keys()) {
        const policy::RootKey* from = keys ? keys->find(row.meta.key_id) : nullptr;
        if (row.meta.state != "rekeying" || from == nullptr || to == nullptr) {
            continue;
        }
        for (const state::VariableRow& variable : snapshot.variables_of_key(row.meta.key_id)) {
            if (out.size() >= kRekeyRound) {
                return out;
            }
            const auto plain = policy::open_variable(
                *from, variable.meta.namespace_, variable.meta.path, variable.data.bytes
            );
            if (!plain) {
                io::log_error(
                    "keyring",
                    "variable {} of namespace {} cannot be encrypted anew: {}",
                    variable.meta.path,
                    variable.meta.namespace_,
                    plain.error().message
                );
                continue;
            }
            commands::VariableApply command;
            command.op = commands::VariableOp::Reencrypt;
            command.check_index = variable.meta.modify_index;
            command.variable.meta = variable.meta;
            command.variable.key_id = to->id;
            command.variable.data.bytes = policy::seal_variable(
                *to,
                variable.meta.namespace_,
                variable.meta.path,
                *plain,
                io::random_bytes(policy::kEntropyBytes)
            );
            out.push_back(state::make_command(command, wall));
        }
    }
    return out;
}

}  // namespace nl::agent

#include "agent/identity.h"

#include "io/entropy.h"
#include "io/files.h"

namespace nl::agent {
namespace {

constexpr std::uint64_t kIdBits = 53;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\r')) {
        text.remove_suffix(1);
    }
    return text;
}

Result<Uuid> kept_uuid(const std::string& file) {
    if (!file.empty() && io::exists(file)) {
        NL_TRY(const Bytes content, io::read_file(file, 256));
        const auto id = Uuid::parse(trimmed(content));
        if (!id || id->is_nil()) {
            return fail(
                ErrorCode::Corruption,
                "{} does not hold an id; restore it, or remove it to begin as a new node",
                file
            );
        }
        return *id;
    }
    const Uuid id = io::random_uuid();
    if (!file.empty()) {
        NL_TRY_VOID(io::write_file_atomic(file, id.str(), 0600));
    }
    return id;
}

}  // namespace

Result<ServerId> server_identity(const std::string& file) {
    if (!file.empty() && io::exists(file)) {
        NL_TRY(const Bytes content, io::read_file(file, 256));
        std::uint64_t value = 0;
        const std::string_view text = trimmed(content);
        for (const char c : text) {
            if (c < '0' || c > '9' || value >= (std::uint64_t{1} << kIdBits)) {
                value = 0;
                break;
            }
            value = value * 10 + static_cast<std::uint64_t>(c - '0');
        }
        if (value == 0) {
            return fail(
                ErrorCode::Corruption,
                "{} does not hold a server id; restore it, or wipe the directory to join as a new "
                "server",
                file
            );
        }
        return ServerId(value);
    }
    Rng rng(io::random_seed());
    const ServerId id(1 + rng.below((std::uint64_t{1} << kIdBits) - 1));
    if (!file.empty()) {
        NL_TRY_VOID(io::write_file_atomic(file, fmt::format("{}\n", id), 0600));
    }
    return id;
}

Result<NodeIdentity> node_identity(const std::string& directory) {
    if (!directory.empty()) {
        NL_TRY_VOID(io::make_directories(directory));
    }
    const auto file = [&](const char* name) {
        return directory.empty() ? std::string() : directory + "/" + name;
    };
    NL_TRY(const Uuid id, kept_uuid(file("client-id")));
    NL_TRY(const Uuid secret, kept_uuid(file("secret-id")));
    return NodeIdentity{.id = id, .secret = secret};
}

}  // namespace nl::agent

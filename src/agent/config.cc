#include "agent/config.h"

#include <algorithm>

namespace nl::agent {
namespace {

std::string_view key_of(FieldInfo info) {
    std::string_view name = info.name;
    while (name.ends_with('_')) {
        name.remove_suffix(1);
    }
    return name;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] =
                std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

class Decoder {
public:
    explicit Decoder(const Locator& locator) : locator_(locator) {}

    template <class T>
    Result<void> read(const Value& value, T& out, const std::string& path) {
        if constexpr (kIsBox<T>) {
            return read(value, out.ensure(), path);
        } else if constexpr (kIsOptional<T>) {
            typename T::value_type held{};
            NL_TRY_VOID(read(value, held, path));
            out = std::move(held);
            return {};
        } else if constexpr (std::is_same_v<T, std::string>) {
            return read_text(value, out, path);
        } else if constexpr (std::is_same_v<T, bool>) {
            return read_bool(value, out, path);
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
            return read_int(value, out, path);
        } else if constexpr (std::is_same_v<T, double>) {
            return read_double(value, out, path);
        } else if constexpr (std::is_same_v<T, Duration>) {
            return read_duration(value, out, path);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
            return read_list(value, out, path);
        } else if constexpr (std::is_same_v<T, StringMap>) {
            return read_string_map(value, out, path);
        } else if constexpr (std::is_same_v<T, ValueMap>) {
            NL_TRY(const Value::Map map, as_map(value, path));
            for (const auto& [key, item] : map) {
                out.insert_or_assign(key, item);
            }
            return {};
        } else if constexpr (kIsStringMap<T>) {
            NL_TRY(const Value::Map map, as_map(value, path));
            for (const auto& [key, item] : map) {
                NL_TRY_VOID(read(item, out[key], path + "." + key));
            }
            return {};
        } else {
            return read_block(value, out, path);
        }
    }

private:
    template <class T>
    Result<void> read_block(const Value& value, T& out, const std::string& path) {
        NL_TRY(const Value::Map map, as_map(value, path));
        for (const auto& [key, item] : map) {
            bool known = false;
            Result<void> result;
            const std::string child = path.empty() ? key : path + "." + key;
            visit_fields(out, [&](FieldInfo info, auto& member) {
                if (!known && key_of(info) == key) {
                    known = true;
                    result = read(item, member, child);
                }
            });
            NL_TRY_VOID(result);
            if (!known) {
                return fail_unknown(out, key, child);
            }
        }
        return {};
    }

    template <class T>
    std::unexpected<Error> fail_unknown(
        const T& out, const std::string& key, const std::string& path
    ) const {
        std::string_view nearest;
        std::size_t best = 1 + std::max<std::size_t>(2, key.size() / 3);
        visit_fields(out, [&](FieldInfo info, const auto&) {
            const std::size_t distance = edit_distance(key, key_of(info));
            if (distance < best) {
                best = distance;
                nearest = key_of(info);
            }
        });
        return nearest.empty() ? fail(
                                     ErrorCode::InvalidArgument,
                                     "{}unknown configuration key \"{}\"",
                                     place(path),
                                     path
                                 )
                               : fail(
                                     ErrorCode::InvalidArgument,
                                     "{}unknown configuration key \"{}\"; did you mean \"{}\"?",
                                     place(path),
                                     path,
                                     nearest
                                 );
    }

    std::string place(const std::string& path) const {
        if (locator_.where == nullptr) {
            return {};
        }
        const std::string at = locator_.where(locator_.context, path);
        return at.empty() ? at : at + ": ";
    }

    std::unexpected<Error> wrong(const std::string& path, std::string_view wanted) const {
        return fail(ErrorCode::InvalidArgument, "{}\"{}\" must be {}", place(path), path, wanted);
    }

    // A block comes as a map, or as a list of maps if it was written several times.
    Result<Value::Map> as_map(const Value& value, const std::string& path) const {
        if (const auto* map = value.as_map()) {
            return *map;
        }
        if (const auto* list = value.as_list()) {
            Value::Map merged;
            for (const Value& item : *list) {
                NL_TRY(const Value::Map map, as_map(item, path));
                for (const auto& [key, inner] : map) {
                    merged.insert_or_assign(key, inner);
                }
            }
            return merged;
        }
        return wrong(path, "a block");
    }

    Result<void> read_text(const Value& value, std::string& out, const std::string& path) const {
        if (const auto* text = value.as_string()) {
            out = *text;
        } else if (const auto* number = value.as_int()) {
            out = fmt::format("{}", *number);
        } else {
            return wrong(path, "a string");
        }
        return {};
    }

    Result<void> read_bool(const Value& value, bool& out, const std::string& path) const {
        if (const auto* flag = value.as_bool()) {
            out = *flag;
        } else if (const auto* text = value.as_string();
                   text != nullptr && (*text == "true" || *text == "false")) {
            out = *text == "true";
        } else {
            return wrong(path, "true or false");
        }
        return {};
    }

    Result<void> read_int(const Value& value, std::int64_t& out, const std::string& path) const {
        if (const auto* number = value.as_int()) {
            out = *number;
            return {};
        }
        if (const auto* text = value.as_string(); text != nullptr && !text->empty()) {
            std::int64_t number = 0;
            for (const char c : *text) {
                if (c < '0' || c > '9' || number > INT64_MAX / 100) {
                    return wrong(path, "a whole number");
                }
                number = number * 10 + (c - '0');
            }
            out = number;
            return {};
        }
        return wrong(path, "a whole number");
    }

    Result<void> read_double(const Value& value, double& out, const std::string& path) const {
        if (const auto* number = value.as_int()) {
            out = static_cast<double>(*number);
        } else if (const auto* fraction = value.as_double()) {
            out = *fraction;
        } else {
            return wrong(path, "a number");
        }
        return {};
    }

    Result<void> read_duration(const Value& value, Duration& out, const std::string& path) const {
        if (const auto* number = value.as_int()) {
            out = Duration{*number};
            return {};
        }
        const auto parsed = value.as_string() != nullptr
                                ? parse_duration(*value.as_string())
                                : fail(ErrorCode::InvalidArgument, "not text");
        if (!parsed) {
            return wrong(path, "a duration such as \"30s\" or \"1h\"");
        }
        out = *parsed;
        return {};
    }

    Result<void> read_list(
        const Value& value, std::vector<std::string>& out, const std::string& path
    ) const {
        const auto* list = value.as_list();
        if (list == nullptr) {
            return wrong(path, "a list of strings");
        }
        for (const Value& item : *list) {
            if (item.as_string() == nullptr) {
                return wrong(path, "a list of strings");
            }
            out.push_back(*item.as_string());
        }
        return {};
    }

    Result<void> read_string_map(const Value& value, StringMap& out, const std::string& path)
        const {
        NL_TRY(const Value::Map map, as_map(value, path));
        for (const auto& [key, item] : map) {
            if (const auto* flag = item.as_bool()) {
                out[key] = *flag ? "true" : "false";
            } else if (const auto* fraction = item.as_double()) {
                out[key] = fmt::format("{}", *fraction);
            } else {
                NL_TRY_VOID(read_text(item, out[key], path + "." + key));
            }
        }
        return {};
    }

    const Locator& locator_;
};

template <class T>
void merge_into(T& base, const T& over) {
    if constexpr (kIsOptional<T>) {
        if (over) {
            base = over;
        }
    } else if constexpr (kIsBox<T>) {
        if (over) {
            merge_into(base.ensure(), *over);
        }
    } else if constexpr (kIsVector<T>) {
        for (const auto& item : over) {
            if (std::find(base.begin(), base.end(), item) == base.end()) {
                base.push_back(item);
            }
        }
    } else if constexpr (std::is_same_v<T, StringMap> || std::is_same_v<T, ValueMap>) {
        for (const auto& [key, item] : over) {
            base.insert_or_assign(key, item);
        }
    } else if constexpr (kIsStringMap<T>) {
        for (const auto& [key, item] : over) {
            merge_into(base[key], item);
        }
    } else {
        // Both objects list the same fields in the same order.
        std::vector<void*> targets;
        visit_fields(base, [&](FieldInfo, auto& member) { targets.push_back(&member); });
        std::size_t at = 0;
        visit_fields(over, [&](FieldInfo, const auto& member) {
            using Member = std::remove_cvref_t<decltype(member)>;
            merge_into(*static_cast<Member*>(targets[at++]), member);
        });
    }
}

bool is_loopback(std::string_view address) {
    return address.starts_with("127.") || address == "localhost" || address == "::1" ||
           address == "[::1]";
}

}  // namespace

Config merge(const Config& base, const Config& over) {
    Config out = base;
    merge_into(out, over);
    return out;
}

Result<Config> config_from_value(const Value& root, const Locator& locator) {
    Config config;
    NL_TRY_VOID(Decoder(locator).read(root, config, ""));
    return config;
}

Config dev_config() {
    Config config;
    config.region = "global";
    config.datacenter = "dc1";
    config.bind_addr = "127.0.0.1";
    config.log_level = "INFO";
    config.enable_debug = true;
    config.server.ensure().enabled = true;
    config.server->bootstrap_expect = 1;
    config.client.ensure().enabled = true;
    config.plugin["raw_exec"].config["enabled"] = true;
    return config;
}

Result<void> check_config(const Config& config) {
    const bool server = config.server && config.server->enabled.value_or(false);
    const bool client = config.client && config.client->enabled.value_or(false);
    if (!server && !client) {
        return fail(
            ErrorCode::InvalidArgument,
            "must specify either server, client or dev mode for the agent"
        );
    }
    if (server && config.server->bootstrap_expect.value_or(0) < 0) {
        return fail(ErrorCode::InvalidArgument, "server.bootstrap_expect must be at least 0");
    }
    if (config.data_dir && !config.data_dir->empty() && !config.data_dir->starts_with('/')) {
        return fail(
            ErrorCode::InvalidArgument,
            "data_dir must be an absolute path, not \"{}\"",
            *config.data_dir
        );
    }
    if (config.ports) {
        for (const OptInt& port : {config.ports->http, config.ports->rpc, config.ports->serf}) {
            if (port && (*port < 0 || *port > 65535)) {
                return fail(ErrorCode::InvalidArgument, "port {} is outside 0 to 65535", *port);
            }
        }
    }
    const bool tls = config.tls && config.tls->http.value_or(false);
    const bool acl = config.acl && config.acl->enabled.value_or(false);
    const std::string bind = config.addresses && config.addresses->http
                                 ? *config.addresses->http
                                 : config.bind_addr.value_or("127.0.0.1");
    if (!tls && !acl && !is_loopback(bind)) {
        return fail(
            ErrorCode::InvalidArgument,
            "the HTTP API would be open to everyone on {}: switch on tls.http or "
            "acl.enabled, or bind to 127.0.0.1",
            bind
        );
    }
    if (config.tls && (config.tls->http.value_or(false) || config.tls->rpc.value_or(false)) &&
        (!config.tls->cert_file || !config.tls->key_file)) {
        return fail(
            ErrorCode::InvalidArgument,
            "tls is switched on but tls.cert_file or tls.key_file is not set"
        );
    }
    return {};
}

}  // namespace nl::agent

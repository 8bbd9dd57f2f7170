#include "drivers/engine/images.h"

#include "base/bytes.h"
#include "drivers/run_program.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/log.h"
#include "wire/value_json.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace nl::drivers {
namespace {

constexpr int kPullTries = 4;
constexpr Duration kFirstPause = seconds(1);
constexpr Duration kProgressInterval = seconds(5);
constexpr Duration kCallTimeout = seconds(60);
constexpr std::size_t kMaxImageFile = std::size_t{2} << 30;

std::string text_at(const Value& value, std::string_view key) {
    const Value::Map* map = value.as_map();
    if (map == nullptr) {
        return "";
    }
    const auto at = map->find(key);
    return at != map->end() && at->second.as_string() != nullptr ? *at->second.as_string() : "";
}

std::int64_t number_at(const Value& value, std::string_view outer, std::string_view key) {
    const Value::Map* map = value.as_map();
    const auto at = map != nullptr ? map->find(outer) : Value::Map::const_iterator{};
    if (map == nullptr || at == map->end() || at->second.as_map() == nullptr) {
        return 0;
    }
    const auto inner = at->second.as_map()->find(key);
    return inner != at->second.as_map()->end() && inner->second.as_int() != nullptr
               ? *inner->second.as_int()
               : 0;
}

/// The registry an image name begins with, as docker's own configuration names it.
std::string registry_of(const std::string& image) {
    const std::size_t slash = image.find('/');
    const std::string first = image.substr(0, slash);
    const bool host = slash != std::string::npos &&
                      (first.find('.') != std::string::npos ||
                       first.find(':') != std::string::npos || first == "localhost");
    return host ? first : "https://index.docker.io/v1/";
}

/// Sleeps unless it is stopped; whether to go on.
bool pause(Duration span, const EngineCancel& stop) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(span.ns);
    while (std::chrono::steady_clock::now() < end) {
        if (stop.cancelled()) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return !stop.cancelled();
}

/// A registry's word that another try will not change.
bool is_final(const Error& error) {
    const auto says = [&](const char* words) {
        return error.message.find(words) != std::string::npos;
    };
    return error.code == ErrorCode::NotFound || error.code == ErrorCode::PermissionDenied ||
           error.code == ErrorCode::InvalidArgument || error.code == ErrorCode::Cancelled ||
           says("not found") || says("manifest unknown") || says("access denied") ||
           says("unauthorized") || says("invalid reference");
}

}  // namespace

Images::Images(const EngineClient& engine, EnginePolicy policy)
    : engine_(engine), policy_(std::move(policy)) {}

Result<std::string> Images::inspect(const std::string& image) const {
    NL_TRY(
        const Value found,
        engine_.call("GET", "/images/" + query_escape(image) + "/json", {}, kCallTimeout)
    );
    const std::string id = text_at(found, "Id");
    if (id.empty()) {
        return fail(ErrorCode::Unavailable, "the engine told no id of image {}", image);
    }
    return id;
}

Result<std::string> Images::acquire(
    const ContainerPlan& plan, const std::string& user, const Say& say, const EngineCancel& stop
) {
    const ImageName name = parse_image(plan.image);
    auto there = inspect(plan.image);
    const bool newest_wanted = plan.force_pull || (name.tag == "latest" && !name.digest);
    if (there && plan.load.empty() && !newest_wanted) {
        note_use(*there, user);
        return there;
    }
    std::shared_ptr<Pull> pull;
    bool first = false;
    {
        std::unique_lock lock(mutex_);
        auto& slot = pulls_[plan.image];
        first = slot == nullptr;
        if (first) {
            slot = std::make_shared<Pull>();
        }
        pull = slot;
        pull->listeners.push_back(say);
        if (!first) {
            while (!pull->done) {
                changed_.wait_for(lock, std::chrono::milliseconds(200));
                if (stop.cancelled()) {
                    return fail(ErrorCode::Cancelled, "cancelled");
                }
            }
        }
    }
    Result<std::string> result = first ? fetch(plan, pull, stop) : pull->result;
    if (first) {
        const std::scoped_lock lock(mutex_);
        pull->result = result;
        pull->done = true;
        pulls_.erase(plan.image);
        changed_.notify_all();
        if (result && (!there || *there != *result)) {
            ours_.insert(*result);
        }
    }
    if (!result && there && plan.load.empty() && !plan.force_pull &&
        result.error().code != ErrorCode::Cancelled) {
        // The registry is out of reach; what the node has is better than nothing.
        say(fmt::format(
            "Image {} could not be pulled ({}); the one on the node is used",
            plan.image,
            result.error().message
        ));
        result = there;
    }
    if (result) {
        note_use(*result, user);
    }
    return result;
}

void Images::tell(const std::shared_ptr<Pull>& pull, const std::string& message) {
    std::vector<Say> listeners;
    {
        const std::scoped_lock lock(mutex_);
        listeners = pull->listeners;
    }
    for (const Say& say : listeners) {
        say(message);
    }
}

Result<std::string> Images::fetch(
    const ContainerPlan& plan, const std::shared_ptr<Pull>& pull, const EngineCancel& stop
) {
    if (!plan.load.empty()) {
        tell(pull, "Loading image " + plan.load);
        NL_TRY(Bytes tar, io::read_file(plan.load, kMaxImageFile));
        EngineRequest request{
            .method = "POST",
            .target = "/images/load?quiet=1",
            .body = std::move(tar),
            .content_type = "application/x-tar"
        };
        NL_TRY(const EngineResponse answer, engine_.send(request, plan.pull_timeout, &stop));
        if (answer.status >= 400) {
            return std::unexpected(engine_error(answer.status, answer.body));
        }
        return inspect(plan.image);
    }
    Duration wait = kFirstPause;
    for (int attempt = 1;; ++attempt) {
        const Result<void> done = pull_once(plan, pull, stop);
        if (done) {
            return inspect(plan.image);
        }
        if (attempt == kPullTries || is_final(done.error())) {
            Error error = done.error();
            error.message = fmt::format("Failed to pull `{}`: {}", plan.image, error.message);
            return std::unexpected(std::move(error));
        }
        tell(
            pull,
            fmt::format(
                "Pulling {} failed ({}); trying again in {}",
                plan.image,
                done.error().message,
                nl::to_string(wait)
            )
        );
        if (!pause(wait, stop)) {
            return fail(ErrorCode::Cancelled, "cancelled");
        }
        wait = wait * 2;
    }
}

Result<RegistryLogin> Images::login_for(const ContainerPlan& plan) const {
    if (!plan.login.empty()) {
        return plan.login;
    }
    const std::string registry = registry_of(plan.image);
    if (!policy_.auth_helper.empty()) {
        const std::string program = find_in_path("docker-credential-" + policy_.auth_helper);
        if (program.empty()) {
            return fail(
                ErrorCode::NotFound, "docker-credential-{} is not installed", policy_.auth_helper
            );
        }
        NL_TRY(
            const ProgramResult said, run_program({program, "get"}, seconds(30), registry, {}, true)
        );
        const auto parsed = wire::parse_json(said.output);
        if (said.exit_code != 0 || !parsed) {
            return fail(ErrorCode::PermissionDenied, "{} knows no login for {}", program, registry);
        }
        return RegistryLogin{
            text_at(*parsed, "Username"), text_at(*parsed, "Secret"), "", registry
        };
    }
    if (!policy_.auth_file.empty()) {
        NL_TRY(const Bytes text, io::read_file(policy_.auth_file));
        NL_TRY(const Value parsed, wire::parse_json(text));
        const Value::Map* root = parsed.as_map();
        const auto auths = root != nullptr ? root->find("auths") : Value::Map::const_iterator{};
        if (root != nullptr && auths != root->end() && auths->second.as_map() != nullptr) {
            for (const auto& [host, entry] : *auths->second.as_map()) {
                const std::string bare =
                    host.starts_with("https://") && host != "https://index.docker.io/v1/"
                        ? host.substr(8)
                        : host;
                if (bare != registry) {
                    continue;
                }
                NL_TRY(const Bytes both, base64_decode(text_at(entry, "auth")));
                const std::size_t colon = both.find(':');
                if (colon != std::string::npos) {
                    return RegistryLogin{
                        both.substr(0, colon), both.substr(colon + 1), "", registry
                    };
                }
            }
        }
    }
    return RegistryLogin{};
}

Result<void> Images::pull_once(
    const ContainerPlan& plan, const std::shared_ptr<Pull>& pull, const EngineCancel& stop
) {
    const ImageName name = parse_image(plan.image);
    auto login = login_for(plan);
    if (!login && !plan.auth_soft_fail) {
        return std::unexpected(login.error());
    }
    EngineRequest request{
        .method = "POST",
        .target = "/images/create?fromImage=" + query_escape(name.repository) +
                  (name.digest ? "" : "&tag=" + query_escape(name.tag))
    };
    if (login && !login->empty()) {
        const Value auth = Value::Map{
            {"username", login->username},
            {"password", login->password},
            {"email", login->email},
            {"serveraddress", login->server.empty() ? registry_of(plan.image) : login->server}
        };
        std::string header = base64url_encode(wire::write_json(auth));
        while (header.size() % 4 != 0) {
            header += '=';
        }
        request.headers["X-Registry-Auth"] = std::move(header);
    }
    tell(pull, "Downloading image");
    const Instant begun = io::now();
    Instant told = begun;
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> layers;
    std::string line;
    std::string problem;
    bool late = false;
    const auto take = [&](const std::string& text) {
        const auto parsed = wire::parse_json(text);
        if (!parsed) {
            return;
        }
        if (const std::string error = text_at(*parsed, "error"); !error.empty()) {
            problem = error;
        }
        if (const std::string layer = text_at(*parsed, "id"); !layer.empty()) {
            const std::int64_t total = number_at(*parsed, "progressDetail", "total");
            auto& [done, all] = layers[layer];
            if (total > 0) {
                done = number_at(*parsed, "progressDetail", "current");
                all = total;
            } else if (text_at(*parsed, "status") == "Pull complete") {
                done = all;
            }
        }
    };
    NL_TRY_VOID(engine_.stream(
        request,
        policy_.pull_activity_timeout,
        [&](std::string_view bytes) {
            line.append(bytes);
            for (std::size_t end = line.find('\n'); end != std::string::npos;
                 end = line.find('\n')) {
                take(line.substr(0, end));
                line.erase(0, end + 1);
            }
            const Instant now = io::now();
            late = plan.pull_timeout.ns > 0 && now - begun > plan.pull_timeout;
            if (now - told >= kProgressInterval) {
                told = now;
                std::int64_t done = 0;
                std::int64_t all = 0;
                for (const auto& [id, layer] : layers) {
                    done += layer.first;
                    all += layer.second;
                }
                tell(
                    pull,
                    fmt::format(
                        "Pulling {}: {} of {} MiB in {} layers",
                        plan.image,
                        done >> 20,
                        all >> 20,
                        layers.size()
                    )
                );
            }
            return !late;
        },
        &stop
    ));
    take(line);
    if (late) {
        return fail(ErrorCode::Timeout, "it took longer than {}", nl::to_string(plan.pull_timeout));
    }
    if (!problem.empty()) {
        const bool refused = problem.find("denied") != std::string::npos ||
                             problem.find("unauthorized") != std::string::npos;
        return fail(refused ? ErrorCode::PermissionDenied : ErrorCode::Unavailable, "{}", problem);
    }
    return {};
}

void Images::note_use(const std::string& image_id, const std::string& user) {
    const std::scoped_lock lock(mutex_);
    users_[image_id].insert(user);
    unused_since_.erase(image_id);
}

void Images::release(const std::string& user, Instant now) {
    const std::scoped_lock lock(mutex_);
    for (auto at = users_.begin(); at != users_.end();) {
        at->second.erase(user);
        if (!at->second.empty()) {
            ++at;
            continue;
        }
        if (ours_.contains(at->first)) {
            unused_since_.emplace(at->first, now);
        }
        at = users_.erase(at);
    }
}

void Images::collect(Instant now) {
    if (!policy_.gc_image) {
        return;
    }
    std::vector<std::string> gone;
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& [id, since] : unused_since_) {
            if (now - since >= policy_.gc_image_delay) {
                gone.push_back(id);
            }
        }
        for (const std::string& id : gone) {
            unused_since_.erase(id);
            ours_.erase(id);
        }
    }
    for (const std::string& id : gone) {
        const auto removed =
            engine_.call("DELETE", "/images/" + query_escape(id), {}, kCallTimeout);
        if (!removed && removed.error().code != ErrorCode::NotFound) {
            io::log(
                io::LogLevel::Debug, "drivers", "image {} stays: {}", id, removed.error().message
            );
        }
    }
}

}  // namespace nl::drivers

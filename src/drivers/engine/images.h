#pragma once
// Images of an engine: there, loaded from a file, or pulled (once for all who wait, with progress,
// with tries that grow apart), and removed again some time after the last task that used them. Only
// what was pulled or loaded here is removed. Blocking; any thread.

#include "drivers/engine/create.h"
#include "drivers/engine/http.h"

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace nl::drivers {

class Images {
public:
    using Say = std::function<void(const std::string& message)>;

    Images(const EngineClient& engine, EnginePolicy policy);
    Images(const Images&) = delete;
    Images& operator=(const Images&) = delete;

    /// The image's id, once it is there; `user` keeps it there until `release`.
    /// Errors: as the engine answers; Unavailable and Timeout may help to try again.
    Result<std::string> acquire(
        const ContainerPlan& plan, const std::string& user, const Say& say, const EngineCancel& stop
    );
    /// The image a task found again after a restart uses.
    void note_use(const std::string& image_id, const std::string& user);
    void release(const std::string& user, Instant now);
    /// Removes what nobody has used for the delay.
    void collect(Instant now);

private:
    struct Pull {
        bool done{};
        Result<std::string> result;
        std::vector<Say> listeners;
    };
    Result<std::string> inspect(const std::string& image) const;
    Result<std::string> fetch(
        const ContainerPlan& plan, const std::shared_ptr<Pull>& pull, const EngineCancel& stop
    );
    Result<void> pull_once(
        const ContainerPlan& plan, const std::shared_ptr<Pull>& pull, const EngineCancel& stop
    );
    Result<RegistryLogin> login_for(const ContainerPlan& plan) const;
    void tell(const std::shared_ptr<Pull>& pull, const std::string& message);

    const EngineClient& engine_;
    EnginePolicy policy_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, std::shared_ptr<Pull>> pulls_;
    /// Image ids and who uses them; only those in `ours_` are ever removed.
    std::map<std::string, std::set<std::string>> users_;
    std::set<std::string> ours_;
    std::map<std::string, Instant> unused_since_;
};

}  // namespace nl::drivers

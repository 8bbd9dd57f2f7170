#pragma once
// The compiled policies of one agent, shared by all threads that handle requests.

#include "policy/acl.h"

#include <map>
#include <mutex>
#include <string>

namespace nl::agent {

class AclCache final : public policy::AclCache {
public:
    /// Sets of policies kept; at the bound all are made anew as they are asked for.
    static constexpr std::size_t kSetsMax = 4096;

    std::shared_ptr<const policy::Acl> find(std::string_view key) override {
        const std::lock_guard lock(mutex_);
        const auto found = sets_.find(key);
        return found == sets_.end() ? nullptr : found->second;
    }
    void put(std::string key, std::shared_ptr<const policy::Acl> acl) override {
        const std::lock_guard lock(mutex_);
        if (sets_.size() >= kSetsMax) {
            sets_.clear();
        }
        sets_.insert_or_assign(std::move(key), std::move(acl));
    }

private:
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<const policy::Acl>, std::less<>> sets_;
};

}  // namespace nl::agent

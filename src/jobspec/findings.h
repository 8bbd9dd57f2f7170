#pragma once
// How a noun's mistakes are collected. Not part of the module's interface.

#include "base/time.h"
#include "model/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nl::jobspec {

class Mistakes {
public:
    template <class... Args>
    void add(fmt::format_string<Args...> format, Args&&... args) {
        list_.push_back(fmt::format(format, std::forward<Args>(args)...));
    }
    /// The mistakes of a part, as one entry behind `title`.
    void add_nested(std::string_view title, const Mistakes& inner);
    /// The mistakes of a part, each an entry behind `title`.
    void add_each(std::string_view title, const Mistakes& inner) {
        for (const std::string& one : inner.list_) {
            list_.push_back(std::string(title) + one);
        }
    }
    const std::vector<std::string>& list() const { return list_; }
    bool empty() const { return list_.empty(); }

private:
    std::vector<std::string> list_;
};

/// "2 errors occurred:\n\t* a\n\t* b\n\n".
std::string joined(const std::vector<std::string>& all);

/// As Go's %q shows text: in quotes, with escapes.
std::string quoted(std::string_view text);

inline bool one_of(std::string_view text, std::initializer_list<std::string_view> known) {
    return std::ranges::find(known, text) != known.end();
}

/// Letters, digits and the characters of `also`, at most `longest` of them, at least one.
bool is_word(std::string_view name, std::string_view also, std::size_t longest);

/// Whether a path below a folder `depth` levels inside the allocation's leaves the allocation.
bool escapes(std::string_view path, int depth);

enum class Level : unsigned char { Job, Group, Task };

/// Whether a job of this type is placed by node instead of by count.
inline bool is_system(const model::Job& job) {
    return job.type == "system" || job.type == "sysbatch";
}

void check_constraints(
    const std::vector<model::Constraint>& constraints, Level level, Mistakes& out
);
void check_affinities(const std::vector<model::Affinity>& affinities, Mistakes& out);
void check_spreads(const std::vector<model::Spread>& spreads, Mistakes& out);
void check_networks(const model::TaskGroup& group, Mistakes& out);
void check_volumes(const model::TaskGroup& group, const model::Job& job, Mistakes& out);
/// Services of the group, and what is unique or shared among all services in it.
void check_group_services(const model::TaskGroup& group, Mistakes& out);
void check_task_services(const model::Task& task, const model::TaskGroup& group, Mistakes& out);
/// The first rule of Consul Connect that the group breaks.
void check_connect(const model::TaskGroup& group, Mistakes& out);
void check_task(
    const model::Task& task, const model::TaskGroup& group, const model::Job& job, Mistakes& out
);
void check_group(const model::TaskGroup& group, const model::Job& job, Mistakes& out);
void check_vault(const model::Vault& vault, Mistakes& out);
void check_identity(const model::WorkloadIdentity& identity, Mistakes& out);

void shutdown_warnings(const model::TaskGroup& group, Mistakes& out);
void group_warnings(const model::TaskGroup& group, Mistakes& out);
void service_warnings(const std::vector<model::Service>& services, Mistakes& out);
void task_warnings(const model::Task& task, Mistakes& out);
void identity_warnings(const model::WorkloadIdentity& identity, Mistakes& out);

}  // namespace nl::jobspec

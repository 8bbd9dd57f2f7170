#pragma once
// How a noun's mistakes are collected. Not part of the module's interface.

#include "base/time.h"
#include "model/job.h"

#include <fmt/format.h>

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
    const std::vector<std::string>& list() const { return list_; }
    bool empty() const { return list_.empty(); }

private:
    std::vector<std::string> list_;
};

enum class Level : unsigned char { Job, Group, Task };

void check_constraints(
    const std::vector<model::Constraint>& constraints, Level level, Mistakes& out
);
void check_affinities(const std::vector<model::Affinity>& affinities, Mistakes& out);
void check_spreads(const std::vector<model::Spread>& spreads, Mistakes& out);
void check_networks(const model::TaskGroup& group, Mistakes& out);
void check_volumes(const model::TaskGroup& group, Mistakes& out);
void check_services(
    const std::vector<model::Service>& services,
    const model::TaskGroup& group,
    const model::Task* task,
    Mistakes& out
);
void check_task(
    const model::Task& task, const model::TaskGroup& group, const model::Job& job, Mistakes& out
);
void task_warnings(const model::Task& task, Mistakes& out);

}  // namespace nl::jobspec

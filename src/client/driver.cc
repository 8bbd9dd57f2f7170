#include "client/driver.h"

#include <charconv>

namespace nl::client {

std::string TaskId::str() const {
    return fmt::format("{}/{}/{}", alloc.str(), task, attempt);
}

Result<TaskId> TaskId::parse(std::string_view text) {
    const std::size_t first = text.find('/');
    const std::size_t last = text.rfind('/');
    TaskId id;
    if (first == std::string_view::npos || last <= first) {
        return fail(ErrorCode::InvalidArgument, "\"{}\" does not name a task instance", text);
    }
    NL_TRY(id.alloc, Uuid::parse(text.substr(0, first)));
    id.task = text.substr(first + 1, last - first - 1);
    const std::string_view number = text.substr(last + 1);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), id.attempt);
    if (error != std::errc{} || end != number.data() + number.size() || id.task.empty()) {
        return fail(ErrorCode::InvalidArgument, "\"{}\" does not name a task instance", text);
    }
    return id;
}

Result<std::unique_ptr<ExecProcess>> Driver::exec(const TaskId&, const ExecSpec&, ExecHandlers) {
    return fail(
        ErrorCode::Unimplemented, "driver \"{}\" cannot run a program beside a task", name()
    );
}

bool has_own_files(std::string_view driver) {
    return driver == "exec" || driver == "java" || driver == "docker" || driver == "podman" ||
           driver == "containerd" || driver == "containerd-driver";
}

void perform(Driver& driver, const DriverCall& call) {
    struct Visitor {
        Driver& driver;
        const DriverCall& call;
        void operator()(const CallFingerprint&) const { driver.fingerprint(call.ticket); }
        void operator()(const CallStart& c) const { driver.start(c.spec, call.ticket); }
        void operator()(const CallRecover& c) const { driver.recover(c.handle, call.ticket); }
        void operator()(const CallStop& c) const {
            driver.stop(call.id, c.signal, c.timeout, call.ticket);
        }
        void operator()(const CallSignal& c) const {
            driver.signal(call.id, c.signal, call.ticket);
        }
        void operator()(const CallStats&) const { driver.stats(call.id, call.ticket); }
        void operator()(const CallDestroy&) const { driver.destroy(call.id, call.ticket); }
    };
    std::visit(Visitor{driver, call}, call.what);
}

}  // namespace nl::client

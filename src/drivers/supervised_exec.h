#pragma once
// A program run beside a task through the node's supervisor: pipes or a terminal of this agent, and
// one thread that moves bytes between them and the handlers. Ends with the agent: nobody could
// listen to it any more. Made by Supervised::exec.

#include "client/driver.h"
#include "supervisor/protocol.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace nl::drivers {

/// Input that waits for one program at most.
inline constexpr std::size_t kExecInputBytesMax = 4U << 20;
/// After the program's end its output may still be held open by what it left behind; it is read for
/// this long.
inline constexpr Duration kExecDrain = milliseconds(500);

class SupervisedExec final : public client::ExecProcess {
public:
    /// Makes the pipes or the terminal and names them in `spec`. Errors: Unavailable.
    static Result<std::unique_ptr<SupervisedExec>> make(
        const client::ExecSpec& asked, client::ExecHandlers handlers, supervisor::SpawnSpec& spec
    );
    ~SupervisedExec() override;

    /// The program runs: its ends are its own now, and bytes begin to move. `kill` ends it.
    void begin(std::function<void()> kill);
    /// The supervisor told its end.
    void exited(Result<std::int64_t> exit_code);

    bool write(Bytes data) override;
    void close_stdin() override;
    void resize(std::int64_t rows, std::int64_t columns) override;
    void kill() override;

private:
    explicit SupervisedExec(client::ExecHandlers handlers);
    void run();
    /// False once the stream has ended.
    bool read_some(int& fd, client::ExecOutput which);
    void write_some();
    void wake();
    void close_all();

    client::ExecHandlers handlers_;
    std::function<void()> kill_;
    int wake_ = -1;
    /// Ours: the terminal's master (both), or the pipes.
    int in_ = -1;
    int out_ = -1;
    int err_ = -1;
    /// The program's, kept open until it has opened its own.
    int theirs_[3] = {-1, -1, -1};
    bool tty_ = false;
    std::thread thread_;

    std::mutex mutex_;
    std::deque<Bytes> input_;
    std::size_t input_bytes_ = 0;
    bool close_input_ = false;
    bool stopping_ = false;
    bool killed_ = false;
    std::optional<Result<std::int64_t>> exit_;
};

}  // namespace nl::drivers

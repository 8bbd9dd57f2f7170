// Real processes under a real supervisor and guardian, each test in a directory of its own.

#include "supervisor/client.h"
#include "supervisor/launch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>

namespace nl::supervisor {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// Waits for what another thread brings.
template <class T>
class Box {
public:
    void put(T value) {
        const std::scoped_lock lock(mutex_);
        value_ = std::move(value);
        changed_.notify_all();
    }
    T take() {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, kPatience, [&] { return value_.has_value(); })) {
            ADD_FAILURE() << "nothing came";
            std::abort();
        }
        return *std::exchange(value_, std::nullopt);
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<T> value_;
};

class SupervisorTest : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/nl-supervisor-XXXXXX";
        dir_ = mkdtemp(name);
        std::filesystem::create_directories(dir_ + "/logs");
        connect();
    }
    void TearDown() override {
        connect();
        Box<Result<std::vector<TaskInfo>>> tasks;
        client_->list([&](auto list) { tasks.put(std::move(list)); });
        const auto left = tasks.take();
        ASSERT_TRUE(left.has_value());
        for (const TaskInfo& task : *left) {
            Box<Result<void>> gone;
            client_->destroy(task.id, [&](auto result) { gone.put(result); });
            EXPECT_TRUE(gone.take().has_value());
        }
        Box<Result<void>> ended;
        client_->shutdown([&](auto result) { ended.put(result); });
        EXPECT_TRUE(ended.take().has_value());
        client_.reset();
        // What just ended may still be taking its own files away.
        constexpr int kTries = 100;
        std::error_code error;
        for (int i = 0; i < kTries; ++i) {
            std::filesystem::remove_all(dir_, error);
            if (!error) {
                break;
            }
        }
    }

    void connect() {
        if (client_) {
            return;
        }
        auto opened = SupervisorClient::open(dir_ + "/s", [this](const ExitInfo& exit) {
            const std::scoped_lock lock(mutex_);
            exits_[exit.id] = exit;
            ++times_told_[exit.id];
            changed_.notify_all();
        });
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        client_ = std::move(*opened);
    }
    /// The agent is gone, as after kill -9: nothing is said to the supervisor.
    void drop_agent() {
        client_.reset();
        const std::scoped_lock lock(mutex_);
        exits_.clear();
    }

    SpawnSpec shell(const std::string& id, const std::string& script) {
        SpawnSpec spec;
        spec.id = id;
        spec.path = "/bin/sh";
        spec.argv = {"sh", "-c", script};
        spec.env = {"PATH=/usr/bin:/bin", "GREETING=hello"};
        spec.cwd = dir_;
        spec.stdout_prefix = dir_ + "/logs/" + id + ".stdout";
        spec.stderr_prefix = dir_ + "/logs/" + id + ".stderr";
        spec.log_max_files = 3;
        spec.log_max_bytes = 10 << 20;
        return spec;
    }
    Result<TaskInfo> spawn(const SpawnSpec& spec) {
        Box<Result<TaskInfo>> box;
        client_->spawn(spec, [&](Result<TaskInfo> result) { box.put(std::move(result)); });
        return box.take();
    }
    ExitInfo wait_exit(const std::string& id) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, kPatience, [&] { return exits_.contains(id); })) {
            ADD_FAILURE() << id << " did not end";
            std::abort();
        }
        return exits_.at(id);
    }
    Result<void> stop(const std::string& id, int signal, Duration timeout) {
        Box<Result<void>> box;
        client_->stop(id, signal, timeout, [&](Result<void> result) {
            box.put(std::move(result));
        });
        return box.take();
    }
    /// A line that the script writes when it has got so far; waiting on the file's content, not on
    /// time.
    void wait_for_text(const std::string& file, const std::string& text) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (read_file(dir_ + "/" + file).find(text) == std::string::npos) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline) << file << " never held " << text;
            std::this_thread::yield();
        }
    }
    std::string log(const std::string& name) { return read_file(dir_ + "/logs/" + name); }
    /// Ends a process and waits until the next supervisor has greeted.
    void kill_and_await_supervisor(int pid) {
        const int before = client_->supervisor_pid();
        ASSERT_GT(pid, 1);
        ::kill(pid, SIGKILL);
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (client_->supervisor_pid() == before) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline);
            std::this_thread::yield();
        }
    }
    void greet() {
        Box<Result<std::vector<TaskInfo>>> tasks;
        client_->list([&](auto list) { tasks.put(std::move(list)); });
        ASSERT_TRUE(tasks.take().has_value());
    }

    std::string dir_;
    std::unique_ptr<SupervisorClient> client_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, ExitInfo> exits_;
    std::map<std::string, int> times_told_;
};

TEST_F(SupervisorTest, RunsACommandAndKeepsItsOutputAndExitCode) {
    const auto started = spawn(shell("a", "echo $GREETING; echo oops >&2; pwd; exit 7"));
    ASSERT_TRUE(started.has_value()) << started.error().message;
    EXPECT_GT(started->pid, 1);
    const ExitInfo exit = wait_exit("a");
    EXPECT_EQ(exit.exit_code, 7);
    EXPECT_EQ(exit.signal, 0);
    EXPECT_FALSE(exit.unknown);
    EXPECT_EQ(log("a.stdout.0"), "hello\n" + dir_ + "\n");
    EXPECT_EQ(log("a.stderr.0"), "oops\n");
}

TEST_F(SupervisorTest, EveryTaskHasItsOwnSessionAndNoForeignDescriptor) {
    ASSERT_TRUE(
        spawn(
            shell("a", "ls /proc/self/fd | wc -l; ulimit -n; ps -o sid= -p $$ | tr -d ' '; echo $$")
        )
            .has_value()
    );
    wait_exit("a");
    std::istringstream lines(log("a.stdout.0"));
    int descriptors = 0;
    int limit = 0;
    int session = 0;
    int pid = 0;
    lines >> descriptors >> limit >> session >> pid;
    // 0, 1, 2 and the one that ls opens.
    EXPECT_EQ(descriptors, 4);
    EXPECT_EQ(session, pid);
    EXPECT_GT(limit, 0);
}

TEST_F(SupervisorTest, SaysWhyACommandCannotRun) {
    SpawnSpec spec = shell("a", "");
    spec.path = "/no/such/command";
    const auto started = spawn(spec);
    ASSERT_FALSE(started.has_value());
    EXPECT_EQ(started.error().code, ErrorCode::NotFound);
    EXPECT_THAT(
        started.error().message,
        testing::HasSubstr("cannot execute the command: No such file or directory")
    );
    // The id is free again.
    EXPECT_TRUE(spawn(shell("a", "exit 0")).has_value());
    EXPECT_EQ(wait_exit("a").exit_code, 0);
}

TEST_F(SupervisorTest, TheSameStartTwiceIsOneProcess) {
    const SpawnSpec spec = shell("a", "echo $$ >> pids; exec sleep 1000");
    const auto first = spawn(spec);
    const auto second = spawn(spec);
    ASSERT_TRUE(first.has_value() && second.has_value());
    EXPECT_EQ(first->pid, second->pid);
    wait_for_text("pids", "\n");
    ASSERT_TRUE(stop("a", SIGTERM, seconds(10)).has_value());
    wait_exit("a");
    const auto third = spawn(spec);
    ASSERT_TRUE(third.has_value());
    EXPECT_FALSE(third->running);
    EXPECT_EQ(read_file(dir_ + "/pids"), std::to_string(first->pid) + "\n");
}

TEST_F(SupervisorTest, StopSendsTheSignalAndKillsAfterTheTimeout) {
    ASSERT_TRUE(
        spawn(shell("polite", "trap 'echo bye; exit 3' INT; echo up; while :; do sleep 0.01; done"))
            .has_value()
    );
    wait_for_text("logs/polite.stdout.0", "up");
    ASSERT_TRUE(stop("polite", SIGINT, seconds(10)).has_value());
    EXPECT_EQ(wait_exit("polite").exit_code, 3);
    EXPECT_EQ(log("polite.stdout.0"), "up\nbye\n");

    ASSERT_TRUE(
        spawn(shell("deaf", "trap '' INT; echo up; while :; do sleep 0.01; done")).has_value()
    );
    wait_for_text("logs/deaf.stdout.0", "up");
    ASSERT_TRUE(stop("deaf", SIGINT, milliseconds(50)).has_value());
    const ExitInfo exit = wait_exit("deaf");
    EXPECT_EQ(exit.signal, SIGKILL);
    EXPECT_EQ(exit.exit_code, 137);
}

TEST_F(SupervisorTest, NothingOfATaskIsLeftAfterItsEnd) {
    // A descendant in a process group of its own, which outlives its parent.
    ASSERT_TRUE(spawn(shell("a", "set -m; sleep 1000 & echo $!; exit 0")).has_value());
    wait_exit("a");
    const int descendant = std::stoi(log("a.stdout.0"));
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (::kill(descendant, 0) == 0) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline)
            << "process " << descendant << " still lives";
        std::this_thread::yield();
    }
}

TEST_F(SupervisorTest, LogsRotateAtLineEndsAndLoseNothing) {
    SpawnSpec spec = shell("a", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done");
    spec.log_max_files = 100;
    spec.log_max_bytes = 1000;
    ASSERT_TRUE(spawn(spec).has_value());
    EXPECT_EQ(wait_exit("a").exit_code, 0);
    std::string all;
    int files = 0;
    for (; std::filesystem::exists(dir_ + "/logs/a.stdout." + std::to_string(files)); ++files) {
        const std::string text = log("a.stdout." + std::to_string(files));
        EXPECT_LE(text.size(), 1000U);
        EXPECT_TRUE(text.ends_with('\n'));
        all += text;
    }
    EXPECT_GT(files, 15);
    std::string expected;
    for (int i = 0; i < 2000; ++i) {
        expected += "line " + std::to_string(i) + "\n";
    }
    EXPECT_EQ(all, expected);
}

TEST_F(SupervisorTest, OldLogFilesGo) {
    SpawnSpec spec = shell("a", "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done");
    spec.log_max_files = 2;
    spec.log_max_bytes = 1000;
    ASSERT_TRUE(spawn(spec).has_value());
    wait_exit("a");
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ + "/logs")) {
        count += entry.path().filename().string().starts_with("a.stdout.") ? 1 : 0;
    }
    EXPECT_EQ(count, 2);
}

TEST_F(SupervisorTest, ExitsWaitForTheAgentUntilAcknowledged) {
    ASSERT_TRUE(spawn(shell("slow", "while [ ! -e go ]; do sleep 0.01; done; echo done; exit 5"))
                    .has_value());
    ASSERT_TRUE(spawn(shell("running", "exec sleep 1000")).has_value());
    drop_agent();
    std::ofstream(dir_ + "/go") << "x";
    wait_for_text("logs/slow.stdout.0", "done");
    connect();
    EXPECT_EQ(wait_exit("slow").exit_code, 5);
    Box<Result<std::vector<TaskInfo>>> tasks;
    client_->list([&](auto list) { tasks.put(std::move(list)); });
    EXPECT_EQ(tasks.take()->size(), 2U);
    client_->acknowledge("slow");
    drop_agent();
    connect();
    client_->list([&](auto list) { tasks.put(std::move(list)); });
    const auto left = tasks.take();
    ASSERT_EQ(left->size(), 1U);
    EXPECT_EQ(left->front().id, "running");
    EXPECT_TRUE(left->front().running);
}

TEST_F(SupervisorTest, KilledSupervisorLosesNoTaskNoLineAndNoExitCode) {
    constexpr int kTasks = 20;
    for (int i = 0; i < kTasks; ++i) {
        // Writes on while there is no supervisor, and ends at a moment that nobody chose.
        const std::string script =
            "n=0; while [ $n -lt 300 ]; do echo line $n; n=$((n+1)); done; exit " +
            std::to_string(i + 1);
        ASSERT_TRUE(spawn(shell("t" + std::to_string(i), script)).has_value());
        if (i % 4 == 0) {
            greet();
            kill_and_await_supervisor(client_->supervisor_pid());
        }
    }
    std::string expected;
    for (int n = 0; n < 300; ++n) {
        expected += "line " + std::to_string(n) + "\n";
    }
    for (int i = 0; i < kTasks; ++i) {
        const ExitInfo exit = wait_exit("t" + std::to_string(i));
        EXPECT_FALSE(exit.unknown);
        EXPECT_EQ(exit.exit_code, i + 1);
        EXPECT_EQ(log("t" + std::to_string(i) + ".stdout.0"), expected);
    }
}

TEST_F(SupervisorTest, KilledGuardianIsReplacedAndNothingIsLost) {
    ASSERT_TRUE(
        spawn(shell("a", "while [ ! -e go ]; do echo line; sleep 0.01; done; echo end; exit 9"))
            .has_value()
    );
    greet();
    const int guardian = client_->guardian_pid();
    kill_and_await_supervisor(guardian);
    EXPECT_NE(client_->guardian_pid(), guardian);
    std::ofstream(dir_ + "/go") << "x";
    const ExitInfo exit = wait_exit("a");
    EXPECT_FALSE(exit.unknown);
    EXPECT_EQ(exit.exit_code, 9);
    EXPECT_TRUE(log("a.stdout.0").ends_with("line\nend\n"));
    // And the pair works on.
    ASSERT_TRUE(spawn(shell("b", "exit 4")).has_value());
    EXPECT_EQ(wait_exit("b").exit_code, 4);
}

TEST_F(SupervisorTest, DestroyEndsAndForgets) {
    ASSERT_TRUE(spawn(shell("a", "sleep 1000")).has_value());
    Box<Result<void>> gone;
    client_->destroy("a", [&](auto result) { gone.put(result); });
    EXPECT_TRUE(gone.take().has_value());
    Box<Result<std::vector<TaskInfo>>> tasks;
    client_->list([&](auto list) { tasks.put(std::move(list)); });
    EXPECT_TRUE(tasks.take()->empty());
    // Nobody is told of an end that was asked for that way.
    EXPECT_EQ(times_told_["a"], 0);
}

TEST_F(SupervisorTest, AnUnknownRequestIsAnsweredNotFatal) {
    auto raw = connect_once(dir_ + "/s");
    ASSERT_TRUE(raw.has_value());
    const std::string frame = make_frame(static_cast<Kind>(999), 5, "nonsense");
    ASSERT_EQ(::write(*raw, frame.data(), frame.size()), static_cast<ssize_t>(frame.size()));
    char answer[256];
    const ssize_t n = ::read(*raw, answer, sizeof answer);
    ASSERT_GT(n, static_cast<ssize_t>(kFrameHeaderBytes));
    const auto header = peek_header({answer, static_cast<std::size_t>(n)});
    EXPECT_EQ(header->kind, Kind::Failure);
    EXPECT_EQ(header->id, 5U);
    ::close(*raw);
    EXPECT_TRUE(spawn(shell("a", "exit 0")).has_value());
    wait_exit("a");
}

}  // namespace
}  // namespace nl::supervisor

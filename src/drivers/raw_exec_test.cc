// Real processes through driver, supervisor client and supervisor.

#include "drivers/raw_exec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

namespace nl::drivers {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

class RawExecTest : public ::testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/nl-raw-exec-XXXXXX";
        dir_ = mkdtemp(name);
        std::filesystem::create_directories(dir_ + "/alloc/logs");
        std::filesystem::create_directories(dir_ + "/main/local");
        open();
    }
    void TearDown() override {
        tasks_->destroy_all_but({});
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        bool ended = false;
        while (!ended) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline);
            std::mutex mutex;
            std::condition_variable changed;
            std::optional<bool> answer;
            tasks_->client().shutdown([&](Result<void> result) {
                const std::scoped_lock lock(mutex);
                answer = result.has_value();
                changed.notify_all();
            });
            std::unique_lock lock(mutex);
            ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return answer.has_value(); }));
            ended = *answer;
        }
        driver_.reset();
        tasks_.reset();
        std::filesystem::remove_all(dir_);
    }
    void open() {
        auto opened =
            Supervised::open({.directory = dir_ + "/s"}, [this](client::DriverEvent event) {
                const std::scoped_lock lock(mutex_);
                events_.push_back(std::move(event));
                changed_.notify_all();
            });
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        tasks_ = std::move(*opened);
        RawExecOptions options;
        options.enabled = true;
        options.host_env = {
            {"PATH", "/usr/bin:/bin"}, {"FROM_HOST", "yes"}, {"VAULT_TOKEN", "secret"}
        };
        options.denied_env = default_denied_env();
        driver_ = std::make_unique<RawExec>(std::move(options), *tasks_);
    }
    client::TaskSpec shell(const std::string& script, std::uint64_t attempt = 1) const {
        client::TaskSpec spec;
        spec.id.alloc = *Uuid::parse("11111111-2222-3333-4444-555555555555");
        spec.id.task = "main";
        spec.id.attempt = attempt;
        spec.config = {
            {"command", Value("sh")}, {"args", Value(Value::List{Value("-c"), Value(script)})}
        };
        spec.env = {{"MINE", "1"}};
        spec.task_dir = dir_ + "/main";
        spec.logs_dir = dir_ + "/alloc/logs";
        spec.log_max_files = 2;
        spec.log_max_file_bytes = 1 << 20;
        spec.cpu_shares = 100;
        return spec;
    }
    /// The next event of a kind; those before it are dropped.
    template <class T>
    std::optional<T> wait_for() {
        std::unique_lock lock(mutex_);
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (true) {
            while (!events_.empty()) {
                const client::DriverEvent event = std::move(events_.front());
                events_.pop_front();
                if (const T* found = std::get_if<T>(&event.what)) {
                    return *found;
                }
            }
            if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) {
                return std::nullopt;
            }
        }
    }
    std::string output(const std::string& name = "main.stdout.0") const {
        std::ifstream in(dir_ + "/alloc/logs/" + name);
        std::ostringstream out;
        out << in.rdbuf();
        return out.str();
    }
    void wait_for_output(const std::string& text) const {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (output().find(text) == std::string::npos) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline);
            std::this_thread::yield();
        }
    }

    std::string dir_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<client::DriverEvent> events_;
    std::unique_ptr<Supervised> tasks_;
    std::unique_ptr<RawExec> driver_;
};

TEST_F(RawExecTest, RunsWithTheHostsEnvironmentBelowItsOwnAndWithoutSecrets) {
    driver_->start(shell("echo $FROM_HOST $MINE [$VAULT_TOKEN]; pwd; exit 3"), Ticket(1));
    ASSERT_TRUE(wait_for<client::Started>().has_value());
    const auto exited = wait_for<client::Exited>();
    ASSERT_TRUE(exited.has_value());
    EXPECT_EQ(exited->result.exit_code, 3);
    EXPECT_EQ(output(), "yes 1 []\n" + dir_ + "/main\n");
}

TEST_F(RawExecTest, ACommandInTheTasksLocalDirectoryIsFound) {
    const std::string script = dir_ + "/main/local/hello";
    std::ofstream(script) << "#!/bin/sh\necho found\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    client::TaskSpec spec = shell("");
    spec.config = {{"command", Value("hello")}};
    driver_->start(spec, Ticket(1));
    ASSERT_TRUE(wait_for<client::Exited>().has_value());
    EXPECT_EQ(output(), "found\n");
}

TEST_F(RawExecTest, MistakesInTheConfigurationAreNamed) {
    client::TaskSpec spec = shell("");
    spec.config = {{"comand", Value("sh")}};
    driver_->start(spec, Ticket(1));
    const auto typo = wait_for<client::StartFailed>();
    ASSERT_TRUE(typo.has_value());
    EXPECT_EQ(
        typo->error.message,
        "config: there is no option \"comand\" in driver raw_exec; is \"command\" meant?"
    );
    EXPECT_FALSE(typo->recoverable);
    spec.config = {{"command", Value("no-such-command")}};
    driver_->start(spec, Ticket(2));
    EXPECT_THAT(
        wait_for<client::StartFailed>()->error.message,
        ::testing::HasSubstr("\"no-such-command\": executable file not found")
    );
    spec = shell("");
    spec.user = "nobody-of-that-name";
    driver_->start(spec, Ticket(3));
    EXPECT_THAT(
        wait_for<client::StartFailed>()->error.message,
        ::testing::HasSubstr("does not exist on this node")
    );
}

TEST_F(RawExecTest, AnAgentThatComesBackFindsItsTaskItsEndAndItsOutput) {
    driver_->start(
        shell("echo up; while [ ! -e go ]; do sleep 0.01; done; echo down; exit 6"), Ticket(1)
    );
    const auto started = wait_for<client::Started>();
    ASSERT_TRUE(started.has_value());
    wait_for_output("up");
    driver_.reset();
    tasks_.reset();
    events_.clear();
    open();
    driver_->recover(started->handle, Ticket(2));
    ASSERT_TRUE(wait_for<client::Recovered>().has_value());
    std::ofstream(dir_ + "/main/go") << "x";
    const auto exited = wait_for<client::Exited>();
    ASSERT_TRUE(exited.has_value());
    EXPECT_EQ(exited->result.exit_code, 6);
    EXPECT_EQ(output(), "up\ndown\n");
    // Its end waits for whoever comes, until it is destroyed.
    driver_.reset();
    tasks_.reset();
    events_.clear();
    open();
    driver_->recover(started->handle, Ticket(3));
    ASSERT_TRUE(wait_for<client::Exited>().has_value());
    driver_->destroy(started->handle.id, Ticket(4));
    ASSERT_TRUE(wait_for<client::CallDone>().has_value());
    driver_->recover(started->handle, Ticket(5));
    EXPECT_TRUE(wait_for<client::RecoverFailed>().has_value());
}

TEST_F(RawExecTest, StatisticsCoverTheWholeTask) {
    driver_->start(shell("sleep 1000 & echo up; wait"), Ticket(1));
    const auto started = wait_for<client::Started>();
    ASSERT_TRUE(started.has_value());
    wait_for_output("up");
    driver_->stats(started->handle.id, Ticket(2));
    const auto answer = wait_for<client::StatsAnswer>();
    ASSERT_TRUE(answer.has_value() && answer->usage.has_value());
    EXPECT_EQ(answer->usage->pids.size(), 2U);
    EXPECT_GT(answer->usage->resource_usage->memory_stats->rss, 0);
    driver_->stop(started->handle.id, 15, seconds(5), Ticket(3));
    EXPECT_EQ(wait_for<client::Exited>()->result.signal, 15);
}

}  // namespace
}  // namespace nl::drivers

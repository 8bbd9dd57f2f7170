// What a task becomes at an engine, what it is refused, and logs read back exactly once.

#include "drivers/engine/create.h"
#include "drivers/engine/logs.h"
#include "drivers/fingerprint/cpu.h"
#include "drivers/network/cni.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace nl::drivers {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EngineTest : public ::testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/nl-engine-XXXXXX";
        dir_ = mkdtemp(name);
        std::filesystem::create_directories(dir_ + "/a/alloc");
        std::filesystem::create_directories(dir_ + "/a/t/local");
        policy_ = *read_policy(Engine::Docker, {});
        task_.id.alloc = *Uuid::parse("11111111-2222-3333-4444-555555555555");
        task_.id.task = "t";
        task_.id.attempt = 1;
        task_.alloc_dir = dir_ + "/a/alloc";
        task_.task_dir = dir_ + "/a/t";
        task_.memory_mb = 64;
        task_.cpu_shares = 100;
        task_.node_id = "n1";
        task_.job_name = "web";
        task_.config = {{"image", Value("box:1")}};
    }
    void TearDown() override { std::filesystem::remove_all(dir_); }
    std::string refusal(const std::string& key, Value value) {
        client::TaskSpec task = task_;
        task.config[key] = std::move(value);
        const auto plan = plan_container(policy_, task, dir_ + "/files");
        return plan ? "" : plan.error().message;
    }
    std::string text(const std::string& file) const {
        std::ifstream in(dir_ + "/" + file);
        std::ostringstream out;
        out << in.rdbuf();
        return out.str();
    }

    std::string dir_;
    EnginePolicy policy_;
    client::TaskSpec task_;
};

Value list(std::initializer_list<const char*> words) {
    Value::List out;
    for (const char* word : words) {
        out.push_back(word);
    }
    return out;
}

TEST_F(EngineTest, PortsLabelsAndLimits) {
    task_.network.ports = {{"http", 23456, 8080, "10.0.0.1"}};
    task_.config["ports"] = list({"http"});
    policy_.extra_labels = {"job*"};
    const auto plan = plan_container(policy_, task_, dir_ + "/files");
    ASSERT_TRUE(plan.has_value()) << plan.error().message;
    EXPECT_EQ(plan->name, "t-11111111-2222-3333-4444-555555555555");
    const Value::Map& body = *plan->create.as_map();
    const Value::Map& host = *body.at("HostConfig").as_map();
    const Value& bound = host.at("PortBindings").as_map()->at("8080/tcp").as_list()->front();
    EXPECT_EQ(bound.as_map()->at("HostPort"), Value("23456"));
    EXPECT_EQ(bound.as_map()->at("HostIp"), Value("10.0.0.1"));
    EXPECT_EQ(host.at("Memory"), Value(std::int64_t{64} << 20));
    EXPECT_EQ(host.at("CapDrop"), list({"ALL"}));
    const Value::Map& labels = *body.at("Labels").as_map();
    EXPECT_EQ(labels.at("com.hashicorp.nomad.job_name"), Value("web"));
    EXPECT_FALSE(labels.contains("com.hashicorp.nomad.node_id"));
    EXPECT_THAT(refusal("ports", list({"https"})), HasSubstr("Port \"https\" not found"));
}

TEST_F(EngineTest, AMountIsJudgedByWhereItLeads) {
    std::filesystem::create_directory_symlink("/etc", dir_ + "/a/t/local/out");
    EXPECT_EQ(refusal("volumes", list({"local:/data"})), "");
    EXPECT_THAT(refusal("volumes", list({"local/out:/x"})), HasSubstr("volumes are not enabled"));
    EXPECT_THAT(
        refusal("volumes", list({"../../../etc:/x"})), HasSubstr("volumes are not enabled")
    );
    policy_.volumes_enabled = true;
    EXPECT_EQ(refusal("volumes", list({"/etc:/x"})), "");
    EXPECT_THAT(refusal("volumes", list({"/:/x"})), HasSubstr("every right on the node"));
}

TEST_F(EngineTest, ImagesAreNamedAsRegistriesNameThem) {
    EXPECT_EQ(parse_image("redis").tag, "latest");
    EXPECT_EQ(parse_image("host:5000/redis").repository, "host:5000/redis");
    EXPECT_EQ(parse_image("host:5000/redis:7").tag, "7");
    EXPECT_TRUE(parse_image("redis@sha256:00").digest);
}

TEST_F(EngineTest, ThePluginsBlockIsChecked) {
    const auto bad = read_policy(Engine::Docker, {{"endpoint", Value("/var/run/docker.sock")}});
    EXPECT_THAT(bad.error().message, HasSubstr("endpoint must be unix:///path"));
    const auto typo = read_policy(Engine::Docker, {{"allow_priviledged", Value(true)}});
    EXPECT_THAT(typo.error().message, HasSubstr("is \"allow_privileged\" meant?"));
}

std::string frame(char stream, const std::string& entry) {
    std::string out(8, '\0');
    out[0] = stream;
    out[6] = static_cast<char>(entry.size() >> 8);
    out[7] = static_cast<char>(entry.size() & 0xff);
    return out + entry;
}

TEST_F(EngineTest, EveryEntryOnceThoughTheReaderDiesAnywhere) {
    const auto open = [&] {
        return std::make_unique<LogSink>(
            dir_ + "/t.stdout", dir_ + "/t.stderr", 10, 1 << 20, dir_ + "/position", false
        );
    };
    const std::vector<std::string> entries{
        frame(1, "2026-11-27T10:00:00.000000001Z one\n"),
        frame(2, "2026-11-27T10:00:00.000000001Z err\n"),
        frame(1, "2026-11-27T10:00:00.000000002Z two\n"),
        frame(1, "2026-11-27T10:00:00.5Z three\n"),
        frame(1, "2026-11-27T10:00:01Z four\n")
    };
    auto sink = open();
    EXPECT_TRUE(sink->feed(entries[0] + entries[1] + entries[2].substr(0, 11)));
    // It dies with half an entry read, and with something written that it did not note down.
    sink.reset();
    std::ofstream(dir_ + "/t.stdout.0", std::ios::app) << "two\n";
    sink = open();
    EXPECT_EQ(sink->since(), "2026-11-27T10:00:00.000000001Z");
    sink->begin();
    // The engine tells again what has the time asked for.
    EXPECT_TRUE(sink->feed(entries[0] + entries[1] + entries[2] + entries[3]));
    sink->begin();
    EXPECT_TRUE(sink->feed(entries[3] + entries[4]));
    EXPECT_EQ(text("t.stdout.0"), "one\ntwo\nthree\nfour\n");
    EXPECT_EQ(text("t.stderr.0"), "err\n");
}

TEST_F(EngineTest, LogsAreRotatedBySizeAndCount) {
    LogSink sink(dir_ + "/t.stdout", dir_ + "/t.stderr", 2, 4096, dir_ + "/position", false);
    const std::string line(999, 'x');
    for (int i = 0; i < 12; ++i) {
        ASSERT_TRUE(sink.feed(frame(1, fmt::format("2026-11-27T10:00:{:02}Z {}\n", i, line))));
    }
    EXPECT_FALSE(std::filesystem::exists(dir_ + "/t.stdout.0"));
    EXPECT_EQ(std::filesystem::file_size(dir_ + "/t.stdout.1"), 4000U);
    EXPECT_EQ(std::filesystem::file_size(dir_ + "/t.stdout.2"), 4000U);
}

TEST(Time, AsEnginesTakeIt) {
    EXPECT_EQ(unix_time_of("2026-11-27T10:00:00.000000001Z"), "1795773600.000000001");
    EXPECT_EQ(unix_time_of("yesterday"), "");
}

TEST(Cpu, ListsAndMachinesToldFromFiles) {
    EXPECT_THAT(parse_cpu_list("0-2,5\n"), ElementsAre(0, 1, 2, 5));
    EXPECT_EQ(format_cpu_list({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
    char name[] = "/tmp/nl-cpu-XXXXXX";
    const std::string root = mkdtemp(name);
    const auto put = [&](const std::string& file, const std::string& content) {
        std::filesystem::create_directories(std::filesystem::path(root + file).parent_path());
        std::ofstream(root + file) << content;
    };
    put("/sys/devices/system/cpu/online", "0-3\n");
    put("/sys/devices/system/node/online", "0-1\n");
    put("/sys/devices/system/node/node0/cpulist", "0-1\n");
    put("/sys/devices/system/node/node0/distance", "10 20\n");
    put("/sys/devices/system/node/node1/cpulist", "2-3\n");
    put("/sys/devices/system/node/node1/distance", "20 10\n");
    put("/sys/devices/cpu_atom/cpus", "3\n");
    put("/sys/devices/system/cpu/cpu0/cpufreq/base_frequency", "2600000\n");
    put("/sys/devices/system/cpu/cpu3/cpufreq/cpuinfo_max_freq", "1500000\n");
    put("/sys/devices/system/cpu/cpu2/topology/physical_package_id", "1\n");
    const CpuFacts facts = read_cpu(root);
    std::filesystem::remove_all(root);
    EXPECT_EQ(facts.topology.cores.size(), 4U);
    EXPECT_EQ(facts.topology.cores[2].socket_id, 1);
    EXPECT_EQ(facts.topology.cores[2].node_id, 1);
    EXPECT_EQ(facts.topology.distances[0], (std::vector<std::int64_t>{10, 20}));
    EXPECT_EQ(facts.efficiency_cores, 1);
    EXPECT_EQ(facts.efficiency_mhz, 1500);
    EXPECT_EQ(facts.mhz, 2600);
}

TEST(Cni, ListsAndSinglePlugins) {
    EXPECT_EQ(
        parse_cni(R"({"name":"n","plugins":[{"type":"a"},{"type":"b"}]})")->plugins.size(), 2U
    );
    EXPECT_EQ(parse_cni(R"({"name":"n","type":"a"})")->plugins.size(), 1U);
    EXPECT_FALSE(parse_cni(R"({"name":"n","type":"../a"})").has_value());
    EXPECT_FALSE(parse_cni(R"({"type":"a"})").has_value());
    EXPECT_THAT(
        Cni({"/nonexistent"})
            .add({"n", "0.4.0", {Value(Value::Map{{"type", "bridge"}})}}, {})
            .error()
            .message,
        HasSubstr("\"bridge\" is not installed")
    );
}

}  // namespace
}  // namespace nl::drivers

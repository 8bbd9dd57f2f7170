// Options of drivers: what HCL and JSON clients send, and how mistakes are worded.

#include "drivers/config.h"

#include "drivers/capabilities.h"
#include "drivers/cgroups.h"
#include "drivers/oci_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nl::drivers {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Inner {
    std::string path;
    bool read_only{};
    NL_FIELDS(Inner, (1, path), (2, read_only))
    static constexpr std::array<std::string_view, 1> kRequired{"path"};
};
struct Options {
    std::string class_;
    std::vector<std::string> args;
    std::int64_t number{};
    bool flag{};
    Duration span{};
    StringMap labels;
    std::vector<Inner> mount;
    Box<Inner> one;
    NL_FIELDS(
        Options,
        (1, class_),
        (2, args),
        (3, number),
        (4, flag),
        (5, span),
        (6, labels),
        (7, mount),
        (8, one)
    )
};

Result<Options> read(ValueMap map) {
    return read_config<Options>("driver test", map);
}

TEST(Config, TakesWhatClientsSend) {
    const auto got = read({
        {"class", Value("A")},
        {"args", Value(Value::List{Value(1), Value(true), Value("x")})},
        {"number", Value("7")},
        {"flag", Value("true")},
        {"span", Value("90s")},
        {"labels",
         Value(Value::List{Value(Value::Map{{"a", Value("1")}}), Value(Value::Map{{"b", Value(2)}})}
         )},
        {"mount",
         Value(Value::List{
             Value(Value::Map{{"path", Value("/a")}}), Value(Value::Map{{"path", Value("/b")}})
         })},
        {"one",
         Value(Value::List{Value(Value::Map{{"path", Value("/c")}, {"read_only", Value(true)}})})},
    });
    ASSERT_TRUE(got.has_value()) << got.error().message;
    EXPECT_EQ(got->class_, "A");
    EXPECT_THAT(got->args, ElementsAre("1", "true", "x"));
    EXPECT_EQ(got->number, 7);
    EXPECT_TRUE(got->flag);
    EXPECT_EQ(got->span, seconds(90));
    EXPECT_EQ(got->labels, (StringMap{{"a", "1"}, {"b", "2"}}));
    ASSERT_EQ(got->mount.size(), 2U);
    EXPECT_EQ(got->mount[1].path, "/b");
    EXPECT_TRUE(got->one->read_only);
}

TEST(Config, MistakesAreNamed) {
    EXPECT_EQ(
        read({{"clas", Value("A")}}).error().message,
        "config: there is no option \"clas\" in driver test; is \"class\" meant?"
    );
    EXPECT_EQ(
        read({{"zebra", Value("A")}}).error().message,
        "config: there is no option \"zebra\" in driver test"
    );
    EXPECT_EQ(
        read({{"number", Value("seven")}}).error().message, "config: number must be a whole number"
    );
    EXPECT_EQ(
        read({{"args", Value("x")}}).error().message, "config: args must be a list of strings"
    );
    EXPECT_EQ(
        read({{"mount", Value(Value::List{Value(Value::Map{{"pth", Value("x")}})})}})
            .error()
            .message,
        "config: there is no option \"mount.pth\" in driver test; is \"path\" meant?"
    );
    EXPECT_EQ(
        read({{"one", Value(Value::Map{{"read_only", Value(true)}})}}).error().message,
        "config: missing required argument \"one.path\""
    );
    EXPECT_TRUE(read({{"class", Value()}}).has_value());
}

TEST(Capabilities, AreTheBaseAndWhatWasAskedForIfAllowed) {
    const auto allowed = default_capabilities();
    EXPECT_THAT(
        *resolve_capabilities({"chown", "kill"}, allowed, {"NET_BIND_SERVICE"}, {"cap_kill"}),
        ElementsAre("CAP_CHOWN", "CAP_NET_BIND_SERVICE")
    );
    EXPECT_THAT(*resolve_capabilities(allowed, allowed, {}, {"all"}), ElementsAre());
    EXPECT_THAT(
        *resolve_capabilities(allowed, allowed, {"chown"}, {"all"}), ElementsAre("CAP_CHOWN")
    );
    EXPECT_EQ(resolve_capabilities({}, allowed, {"all"}, {})->size(), allowed.size());
    EXPECT_THAT(
        resolve_capabilities({}, allowed, {"net_raw"}, {}).error().message,
        HasSubstr("following capabilities: net_raw")
    );
    EXPECT_THAT(
        resolve_capabilities({}, {"all"}, {"levitate"}, {}).error().message,
        HasSubstr("no capability \"levitate\"")
    );
}

/// Names of calls that a filter refuses.
std::vector<std::string> refused(const std::vector<std::string>& capabilities) {
    std::vector<std::string> out;
    const Value filter = oci_seccomp(capabilities);
    for (const Value& rule : *filter.as_map()->at("syscalls").as_list()) {
        for (const Value& name : *rule.as_map()->at("names").as_list()) {
            out.push_back(*name.as_string());
        }
    }
    return out;
}

TEST(OciSpec, ACapabilityOpensItsCallsAndNoOthers) {
    using ::testing::Contains;
    using ::testing::Not;
    EXPECT_THAT(refused({}), Contains("mount"));
    EXPECT_THAT(refused({}), Contains("ptrace"));
    EXPECT_THAT(refused({}), Contains("clone3"));
    EXPECT_THAT(refused({"CAP_SYS_ADMIN"}), Not(Contains("mount")));
    EXPECT_THAT(refused({"CAP_SYS_ADMIN"}), Contains("keyctl"));
    EXPECT_THAT(refused({"CAP_SYS_PTRACE"}), Not(Contains("ptrace")));
    EXPECT_THAT(refused({"CAP_SYS_PTRACE"}), Contains("mount"));
}

TEST(OciSpec, NothingIsSharedUnlessAskedFor) {
    OciInput in;
    in.args = {"/bin/true"};
    in.memory_mb = 10;
    in.capabilities = {"CAP_CHOWN"};
    in.user.uid = 1000;
    const Value config = oci_config(in);
    const Value::Map& linux_part = *config.as_map()->at("linux").as_map();
    std::vector<std::string> own;
    for (const Value& one : *linux_part.at("namespaces").as_list()) {
        own.push_back(*one.as_map()->at("type").as_string());
    }
    EXPECT_THAT(own, ElementsAre("mount", "uts", "cgroup", "pid", "ipc"));
    const Value::Map& process = *config.as_map()->at("process").as_map();
    EXPECT_EQ(process.at("noNewPrivileges"), Value(true));
    // A user that is not root needs them ambient to have them at all.
    EXPECT_EQ(process.at("capabilities").as_map()->at("ambient").as_list()->size(), 1U);
    const Value::Map& memory = *linux_part.at("resources").as_map()->at("memory").as_map();
    EXPECT_EQ(memory.at("limit"), Value(std::int64_t{10} << 20));
}

TEST(Cgroups, NamesAreFileNamesAndGroupsLieWhereTheMountsAre) {
    client::TaskId id;
    id.alloc = *Uuid::parse("11111111-2222-3333-4444-555555555555");
    id.task = "web";
    id.attempt = 2;
    EXPECT_EQ(instance_name(id), "11111111-2222-3333-4444-555555555555.web.2");
    const CgroupRoot v2{CgroupMode::V2, "/sys/fs/cgroup", "nomad.slice"};
    EXPECT_EQ(oci_cgroups_path(v2, id), "/nomad.slice/share.slice/" + instance_name(id) + ".scope");
    EXPECT_THAT(
        oci_cgroup_folders(v2, id),
        ElementsAre("/sys/fs/cgroup/nomad.slice/share.slice/" + instance_name(id) + ".scope")
    );
    EXPECT_EQ(oom_file(v2, id), oci_cgroup_folders(v2, id).front() + "/memory.events");
    const CgroupRoot v1{CgroupMode::V1, "/sys/fs/cgroup/cpu", "nomad"};
    EXPECT_EQ(oci_cgroups_path(v1, id), "/nomad/" + instance_name(id));
    EXPECT_EQ(
        oom_file(v1, id), "/sys/fs/cgroup/memory/nomad/" + instance_name(id) + "/memory.oom_control"
    );
    // Told apart though they look alike once cleaned.
    client::TaskId a = id;
    client::TaskId b = id;
    a.task = "w b";
    b.task = "w/b";
    EXPECT_NE(instance_name(a), instance_name(b));
    EXPECT_EQ(instance_name(a).find_first_of(" /"), std::string::npos);
}

}  // namespace
}  // namespace nl::drivers

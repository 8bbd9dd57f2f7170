#include "jobspec/validate.h"

#include "jobspec/canonicalize.h"
#include "jobspec/jobspec.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nl::jobspec {
namespace {

using testing::HasSubstr;
using testing::Not;

model::Job job(const std::string& text) {
    const auto parsed = parse({.source = text});
    EXPECT_TRUE(parsed) << parsed.error().message << "\n" << text;
    return parsed ? to_job(parsed->job) : model::Job{};
}

std::string errors(const model::Job& job) {
    return errors_text(validate(job).errors);
}

struct Case {
    std::string text;
    std::string error;
};

/// A job with these lines in the job, the group and the task.
std::string made(
    const std::string& in_job, const std::string& in_group, const std::string& in_task
) {
    return fmt::format(
        "job \"j\" {{\n{}\ngroup \"g\" {{\n{}\ntask \"t\" {{\ndriver = "
        "\"raw_exec\"\n{}\n}}\n}}\n}}\n",
        in_job,
        in_group,
        in_task
    );
}

TEST(Validate, AGoodJobHasNoErrors) {
    EXPECT_EQ(errors(job(made("", "", ""))), "");
}

TEST(Validate, RulesOfJobs) {
    const Case kCases[] = {
        {"type = \"what\"", "Invalid job type: \"what\""},
        {"type = \"core\"", "job type cannot be core"},
        {"priority = 101", "job priority must be between [1, 100]"},
        {"id = \"a b\"", "Job ID contains a space"},
        {"datacenters = [\"\"]", "Job datacenter must be non-empty string"},
        {"ui {\n description = \"${join(\"\", [for x in range(1001) : \"x\"])}\"\n}",
         "UI description must be under 1000 characters, currently 1001"},
        {"multiregion {\n region \"r\" {}\n}", "Multiregion jobs are unlicensed."},
        {"type = \"system\"\naffinity {\n attribute = \"${node.class}\"\n value = \"x\"\n}",
         "System jobs may not have an affinity block"},
        {"type = \"system\"\nspread {\n attribute = \"${node.class}\"\n}",
         "System jobs may not have a spread block"},
        {"parameterized {\n payload = \"maybe\"\n}", "Unknown payload requirement: \"maybe\""},
        {"parameterized {}",
         "Parameterized job can only be used with \"batch\" or \"sysbatch\" scheduler"},
        {"type = \"batch\"\nparameterized {\n meta_required = [\"a\"]\n meta_optional = [\"a\"]\n}",
         "Required and optional meta keys should be disjoint. Following keys exist in both: [a]"},
    };
    for (const Case& c : kCases) {
        EXPECT_THAT(errors(job(made(c.text, "", ""))), HasSubstr(c.error)) << c.text;
    }
}

TEST(Validate, RulesOfConstraintsAndAffinities) {
    const auto constraint = [](const std::string& inside) {
        return "constraint {\n" + inside + "\n}";
    };
    const Case kCases[] = {
        {constraint("attribute = \"${node.class}\""), "Operator \"=\" requires an RTarget"},
        {constraint("value = \"x\""), "no attribute provided but is required by operator"},
        {constraint("attribute = \"${node.region}\"\nvalue = \"x\""),
         "unsupported attribute \"${node.region}\""},
        {constraint("attribute = \"$x\"\nvalue = \"x\""),
         "attribute \"$x\" is missing an opening brace"},
        {constraint("attribute = \"$${attr.x\"\nvalue = \"x\""),
         "attribute \"${attr.x\" is missing a closing brace"},
        {constraint("attribute = \"${attr.x}\"\nregexp = \"[\""),
         "Regular expression failed to compile: error parsing regexp: missing closing ]: `[`"},
        {constraint("attribute = \"${attr.x}\"\nversion = \">= 1, what\""),
         "Version constraint is invalid: Malformed constraint:  what"},
        {constraint("attribute = \"${attr.x}\"\nsemver = \"~> 1.2\""),
         "Semver constraint is invalid: Malformed constraint: ~> 1.2"},
        {constraint("attribute = \"${attr.x}\"\noperator = \"set_contains_any\""),
         "Set contains constraint requires an RTarget"},
        {constraint("attribute = \"${attr.x}\"\noperator = \"is_set\"\nvalue = \"y\""),
         "Operator \"is_set\" does not support an RTarget"},
        {constraint("attribute = \"${attr.x}\"\noperator = \"near\"\nvalue = \"y\""),
         "Unknown constraint type \"near\""},
        {constraint("distinct_property = \"${meta.x}\"\nvalue = \"two\""),
         "Failed to convert RTarget \"two\" to uint64: strconv.ParseUint: parsing \"two\": invalid "
         "syntax"},
        {constraint("distinct_property = \"${meta.x}\"\nvalue = \"0\""),
         "Distinct Property must have an allowed count of 1 or greater: 0 < 1"},
        {"affinity {\n attribute = \"${attr.x}\"\n value = \"y\"\n weight = 0\n}",
         "Affinity weight cannot be zero"},
        {"affinity {\n attribute = \"${attr.x}\"\n version = \"x y\"\n}",
         "Version affinity is invalid: Malformed constraint: x y"},
        {"affinity {\n value = \"y\"\n}", "No LTarget provided but is required"},
    };
    for (const Case& c : kCases) {
        EXPECT_THAT(errors(job(made("", c.text, ""))), HasSubstr(c.error)) << c.text;
    }
    for (const char* fine :
         {"distinct_hosts = true",
          "distinct_property = \"${meta.rack}\"\nvalue = 3",
          "attribute = \"${attr.x}\"\nversion = \">= 1.2, < 2\"",
          "attribute = \"${attr.x}\"\nsemver = \">= 1.2.0-beta.1\"",
          "attribute = \"literal\"\nvalue = \"literal\""}) {
        EXPECT_EQ(errors(job(made("", constraint(fine), ""))), "") << fine;
    }
    EXPECT_THAT(
        errors(job(made("", "", "constraint {\n distinct_hosts = true\n}"))),
        HasSubstr("Constraint 1 has disallowed Operand at task level: distinct_hosts")
    );
}

TEST(Validate, RulesOfGroups) {
    const Case kCases[] = {
        {"max_run_duration = \"1m\"", "Job type \"service\" does not allow max_run_duration"},
        {"disconnect {\n lost_after = \"-1s\"\n}", "lost_after cannot be a negative duration"},
        {"disconnect {\n lost_after = \"1m\"\n stop_on_client_after = \"1m\"\n}",
         "Disconnect cannot be configured with both lost_after and stop_after"},
        {"disconnect {\n reconcile = \"any\"\n}", "reconcile option is invalid: any"},
        {"shutdown_delay = \"-1s\"", "ShutdownDelay must be a positive value"},
        {"restart {\n attempts = 0\n mode = \"delay\"\n}",
         "Restart policy \"delay\" with 0 attempts is ambiguous"},
        {"reschedule {\n attempts = 5\n interval = \"1m\"\n unlimited = false\n "
         "delay_function = \"constant\"\n}",
         "Nomad can only make 2 attempts in 1m0s with initial delay 30s and delay function "
         "\"constant\"\n\t* Set the interval to at least 2m30s to accommodate 5 attempts"},
        {"reschedule {\n attempts = 4\n interval = \"2m\"\n unlimited = false\n}",
         "Nomad can only make 2 attempts in 2m0s with initial delay 30s, delay function "
         "\"exponential\", and delay ceiling 1h0m0s"},
        {"update {\n auto_promote = true\n}", "Auto Promote requires a Canary count greater"},
        {"scaling {\n min = 3\n max = 2\n}",
         "Scaling policy invalid: maximum count must not be less than minimum count"},
        {"count = 5\nscaling {\n min = 1\n max = 2\n}",
         "Scaling policy invalid: task group count must not be greater than maximum count"},
        {"network {\n hostname = \"a..b\"\n}", "Hostname is not a valid DNS name"},
        {"network {\n cni {\n args = { \"a;b\" = \"c\" }\n }\n}",
         "invalid ';' character in CNI arg key \"a;b\""},
        {"network {\n mode = \"bridge\"\n port \"a\" {\n static = 1\n ignore_collision = true\n "
         "}\n}",
         "Port \"a\" collision may not be ignored on non-host network mode \"bridge\""},
        {"network {\n port \"a\" {}\n}\nnetwork {\n port \"a\" {}\n}",
         "Port label a already in use by taskgroup network"},
        {"network {\n port \"a\" {\n to = 70000\n }\n}",
         "Port \"a\" cannot be mapped to a port (70000) greater than 65535"},
        {"volume \"v\" {\n type = \"nfs\"\n source = \"x\"\n}",
         "Task group volume validation for v failed: volume has unrecognized type nfs"},
        {"volume \"v\" {\n type = \"csi\"\n source = \"x\"\n}",
         "CSI volumes must have an attachment mode"},
        {"count = 2\nvolume \"v\" {\n type = \"csi\"\n source = \"x\"\n access_mode = "
         "\"single-node-writer\"\n attachment_mode = \"file-system\"\n}",
         "volume with single-node-writer access mode allows only one reader or writer"},
        {"volume \"v\" {\n type = \"host\"\n source = \"x\"\n per_alloc = true\n sticky = true\n}",
         "volume cannot be per_alloc and sticky at the same time"},
    };
    for (const Case& c : kCases) {
        EXPECT_THAT(errors(job(made("", c.text, ""))), HasSubstr(c.error)) << c.text;
    }
    EXPECT_THAT(
        errors(job(made("", "", "lifecycle {\n hook = \"prestart\"\n}"))),
        HasSubstr("Task group g must have at least one main task")
    );
    EXPECT_THAT(
        errors(job(made("type = \"batch\"", "update {}", ""))),
        HasSubstr("Job type \"batch\" does not allow update block")
    );
    EXPECT_THAT(
        errors(job(made("type = \"batch\"", "migrate {}", ""))),
        HasSubstr("Job type \"batch\" does not allow migrate block")
    );
}

TEST(Validate, RulesOfServices) {
    const auto service = [](const std::string& inside) {
        return "network {\n port \"http\" {}\n}\nservice {\n provider = \"nomad\"\n" + inside +
               "\n}";
    };
    const auto check = [&](const std::string& inside) {
        return service(
            "port = \"http\"\ncheck {\n name = \"c\"\n interval = \"10s\"\n timeout = \"2s\"\n" +
            inside + "\n}"
        );
    };
    const Case kCases[] = {
        {service("name = \"a_b\""),
         "Service name must be valid per RFC 1123 and can contain only alphanumeric characters or "
         "dashes and must be no longer than 63 characters: \"a_b\""},
        {service("address_mode = \"driver\""), "cannot use address_mode=\"driver\""},
        {service("address_mode = \"host\"\naddress = \"1.2.3.4\""),
         "Service address_mode must be \"auto\" if address is set"},
        {service("connect {\n native = true\n}"),
         "Service with provider nomad cannot include Connect blocks"},
        {service("check {\n type = \"tcp\"\n interval = \"10s\"\n timeout = \"1s\"\n}"),
         "check requires a port but neither check nor service \"j-g\" have a port"},
        {check("type = \"script\"\ncommand = \"/bin/true\""),
         "invalid check type (\"script\"), must be one of tcp, http"},
        {check("type = \"http\""), "http type must have http path"},
        {check("type = \"http\"\npath = \"http://x/\""), "http type must have relative http path"},
        {check("type = \"http\"\npath = \"/\"\nmethod = \"GRAB\""),
         "method type \"GRAB\" not supported in Nomad http check"},
        {check("type = \"tcp\"\naddress_mode = \"auto\""),
         "invalid address_mode \"auto\" - auto only valid for services"},
        {check("type = \"tcp\"\ninitial_status = \"good\""),
         "invalid initial check state (good), must be one of \"passing\", \"warning\", "
         "\"critical\" or empty"},
        {check("type = \"tcp\"\non_update = \"ignore\"\ncheck_restart {\n limit = 1\n}"),
         "on_update value \"ignore\" is not compatible with check_restart"},
        {check("type = \"tcp\"\nsuccess_before_passing = 2"),
         "success_before_passing may only be set for Consul service checks"},
        {service("name = \"x\"") + "\nservice {\n name = \"x\"\n provider = \"nomad\"\n}",
         "Services are not unique: group->x"},
        {service("name = \"x\"") + "\nservice {\n name = \"y\"\n}",
         "Multiple service providers used: task group services must use the same provider"},
    };
    for (const Case& c : kCases) {
        EXPECT_THAT(errors(job(made("", c.text, ""))), HasSubstr(c.error)) << c.text;
    }
    EXPECT_THAT(
        errors(job(made("", "", "service {\n provider = \"nomad\"\n port = \"nope\"\n}"))),
        HasSubstr("port label \"nope\" referenced by services j-g-t does not exist")
    );
    EXPECT_THAT(
        errors(job(made("", "", "service {\n provider = \"nomad\"\n address_mode = \"alloc\"\n}"))),
        HasSubstr("cannot use address_mode=\"alloc\", only services defined in a \"group\" block")
    );
    EXPECT_EQ(errors(job(made("", service("name = \"${JOB}-${meta.x}\""), ""))), "");
}

TEST(Validate, RulesOfTasks) {
    const Case kCases[] = {
        {"kill_timeout = \"20m\"",
         "KillTimout (20m0s) longer than the group's ProgressDeadline (10m0s)"},
        {"resources {\n cpu = 0\n memory = 5\n}",
         "\t* 1 error occurred:\n\t* 2 errors occurred:\n\t* minimum CPU value is 1; got 0\n\t* "
         "minimum MemoryMB value is 10; got 5"},
        {"resources {\n cpu = 1\n cores = 1\n}",
         "Task can only ask for 'cpu' or 'cores' resource, not both."},
        {"resources {\n device \"gpu\" {\n constraint {\n distinct_hosts = true\n }\n }\n}",
         "Constraint 1 validation failed: using unsupported operand \"distinct_hosts\""},
        {"resources {\n numa {\n affinity = \"prefer\"\n devices = [\"gpu\"]\n }\n}",
         "numa device \"gpu\" not requested as task resource"},
        {"template {\n data = \"x\"\n destination = \"../../x\"\n}",
         "destination escapes allocation directory"},
        {"template {\n data = \"x\"\n destination = \"a\"\n perms = \"9\"\n}",
         "Failed to parse \"9\" as octal: strconv.ParseUint: parsing \"9\": invalid syntax"},
        {"template {\n data = \"x\"\n destination = \"a\"\n change_mode = \"now\"\n}",
         "Invalid change mode. Must be one of the following: noop, signal, script, restart"},
        {"template {\n data = \"x\"\n destination = \"a\"\n}\ntemplate {\n data = \"y\"\n "
         "destination = \"a\"\n}",
         "Template 2 has same destination as 1"},
        {"artifact {\n source = \"http://x\"\n options {\n checksum = \"md5:ab\"\n }\n}",
         "invalid md5 checksum: ab"},
        {"artifact {\n source = \"http://x\"\n mode = \"tree\"\n}",
         "invalid artifact mode \"tree\"; must be one of: any, file, dir"},
        {"lifecycle {\n hook = \"before\"\n}", "Lifecycle validation failed: invalid hook: before"},
        {"volume_mount {\n volume = \"v\"\n destination = \"/v\"\n}",
         "Volume Mount (0) references undefined volume v"},
        {"identity {\n name = \"a b\"\n}",
         "Identity \"a b\" is invalid: 1 error occurred:\n\t* invalid name \"a b\". Must match "
         "regex "
         "^[a-zA-Z0-9-_]{1,128}$"},
        {"identity {\n name = \"x\"\n change_signal = \"SIGHUP\"\n}",
         "can only use change_signal=\"SIGHUP\" with change_mode=\"signal\""},
        {"vault {}", "Vault \"default\" not enabled but used in the job"},
        {"secret \"s\" {\n provider = \"nomad\"\n}", "secret path cannot be empty"},
        {"action \"a\" {\n command = \"\"\n}", "command cannot be empty"},
        {"action \"a\" {\n command = \"x\"\n}\naction \"a\" {\n command = \"y\"\n}",
         "Action a defined multiple times"},
        {"csi_plugin {\n id = \"p\"\n type = \"both\"\n}",
         "CSIPluginConfig PluginType must be one of 'node', 'controller', or 'monolith', got: "
         "\"both\""},
        {"dispatch_payload {\n file = \"../../../x\"\n}",
         "Dispatch Payload validation failed: destination escapes allocation directory"},
    };
    for (const Case& c : kCases) {
        EXPECT_THAT(errors(job(made("", "", c.text))), HasSubstr(c.error)) << c.text;
    }
    for (const char* fine :
         {"scaling \"cpu\" {\n max = 100\n}",
          "template {\n data = \"x\"\n destination = \"../b\"\n}",
          "artifact {\n source = \"http://x\"\n options {\n checksum = \"${meta.sum}\"\n }\n}",
          "resources {\n memory = 100\n memory_max = -1\n}"}) {
        EXPECT_EQ(errors(job(made("", "", fine))), "") << fine;
    }
}

TEST(Validate, ServiceChecksThatNeedAVault) {
    EXPECT_EQ(errors_text(validate(job(made("", "", "vault {}")), {.vault = true}).errors), "");
}

TEST(Validate, Warnings) {
    const auto warnings = [](const std::string& in_group, const std::string& in_task) {
        return warnings_text(validate(job(made("", in_group, in_task))).warnings);
    };
    EXPECT_THAT(
        warnings("", "service {\n provider = \"nomad\"\n}"),
        HasSubstr("task \"t\" in group \"g\" defines services, but has no shutdown_delay set")
    );
    EXPECT_THAT(
        warnings("service {\n provider = \"nomad\"\n task = \"t\"\n}", ""),
        HasSubstr("group \"g\" references task \"t\" in a service definition")
    );
    EXPECT_THAT(
        warnings("service {\n provider = \"nomad\"\n}", "shutdown_delay = \"1s\""),
        Not(HasSubstr("shutdown_delay"))
    );
    EXPECT_THAT(
        warnings("count = 2\nupdate {\n max_parallel = 3\n}", ""),
        HasSubstr("Update max parallel count is greater than task group count (3 > 2)")
    );
    EXPECT_THAT(
        warnings("max_client_disconnect = \"1m\"", ""),
        HasSubstr("MaxClientDisconnect is deprecated and ignored")
    );
}

// ---- what servers add

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> constraints_of(const model::Job& job) {
    std::vector<std::string> out;
    for (const auto& c : job.task_groups.at(0).constraints) {
        out.push_back(fmt::format("{} {} {}", c.l_target, c.operand, c.r_target));
    }
    return out;
}

TEST(Admit, ConstraintsFollowFromWhatIsUsed) {
    EXPECT_THAT(constraints_of(job(made("", "", ""))), IsEmpty());
    EXPECT_THAT(
        constraints_of(job(made("", "service {\n provider = \"nomad\"\n}", ""))),
        ElementsAre("${attr.nomad.service_discovery} = true")
    );
    EXPECT_THAT(
        constraints_of(job(made(
            "",
            "network {\n port \"x\" {}\n}\nservice {\n provider = \"nomad\"\n port = \"x\"\n check "
            "{\n "
            "type = \"tcp\"\n interval = \"5s\"\n timeout = \"1s\"\n }\n}",
            "kill_signal = \"SIGUSR2\"\ntemplate {\n data = \"\"\n destination = \"a\"\n "
            "change_mode "
            "= \"signal\"\n change_signal = \"sighup\"\n}"
        ))),
        ElementsAre(
            "${attr.os.signals} set_contains SIGHUP,SIGUSR2",
            "${attr.nomad.service_discovery} = true",
            "${attr.nomad.version} semver >= 1.4.0"
        )
    );
    EXPECT_THAT(
        constraints_of(job(made("", "service {}", ""))),
        ElementsAre("${attr.consul.version} semver >= 1.8.0")
    );
    EXPECT_THAT(
        constraints_of(job(made("", "", "vault {}"))),
        ElementsAre("${attr.vault.version} semver >= 0.6.1")
    );
    // One of the job's own takes its place.
    EXPECT_THAT(
        constraints_of(job(made(
            "",
            "constraint {\n attribute = \"${attr.vault.version}\"\n semver = \">= 1.2.0\"\n}",
            "vault {}"
        ))),
        ElementsAre("${attr.vault.version} semver >= 1.2.0")
    );
}

TEST(Admit, NamesAndIdentities) {
    const model::Job a = job(made(
        "",
        "",
        "service {\n name = \"${BASE}-x\"\n provider = \"nomad\"\n}\nidentity {\n env = true\n}"
    ));
    const model::Task& task = a.task_groups.at(0).tasks.at(0);
    EXPECT_EQ(task.services.at(0).name, "j-g-t-x");
    EXPECT_EQ(task.services.at(0).task_name, "t");
    ASSERT_TRUE(task.identity.has_value());
    EXPECT_EQ(task.identity->name, "default");
    EXPECT_TRUE(task.identity->env);
    EXPECT_THAT(task.identity->audience, ElementsAre("nomadproject.io"));
    EXPECT_EQ(to_job(to_spec(a)), a) << "adding twice adds nothing";
}

}  // namespace
}  // namespace nl::jobspec

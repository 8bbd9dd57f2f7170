#include "agent/config.h"

#include "agent/config_file.h"

#include <gtest/gtest.h>

namespace nl::agent {
namespace {

Result<Config> read(Value::Map root) {
    return config_from_value(Value(std::move(root)), {});
}

TEST(Config, ReadsNomadsKeys) {
    const auto config = read(
        {{"data_dir", "/var/lib/x"},
         {"ports", Value::Map{{"http", 1}, {"rpc", 2}}},
         {"server",
          Value::List{Value::Map{
              {"enabled", true},
              {"bootstrap_expect", 3},
              {"server_join", Value::Map{{"retry_join", Value::List{"a:1", "b:1"}}}}
          }}},
         {"client",
          Value::Map{
              {"enabled", true},
              {"meta", Value::Map{{"rack", "r1"}, {"n", 3}}},
              {"max_kill_timeout", "1m"}
          }},
         {"plugin", Value::Map{{"raw_exec", Value::Map{{"config", Value::Map{{"enabled", true}}}}}}}
        }
    );
    ASSERT_TRUE(config.has_value()) << config.error().message;
    EXPECT_EQ(config->ports->http, 1);
    EXPECT_EQ(config->server->bootstrap_expect, 3);
    EXPECT_EQ(config->server->server_join->retry_join.size(), 2U);
    EXPECT_EQ(config->client->meta.at("n"), "3");
    EXPECT_EQ(config->client->max_kill_timeout, minutes(1));
    EXPECT_EQ(config->plugin.at("raw_exec").config.at("enabled"), Value(true));
}

TEST(Config, RefusesWhatItDoesNotKnowAndNamesTheNearest) {
    EXPECT_EQ(
        read({{"prots", Value::Map{}}}).error().message,
        "unknown configuration key \"prots\"; did you mean \"ports\"?"
    );
    EXPECT_EQ(
        read({{"server", Value::Map{{"enabled", "maybe"}}}}).error().message,
        "\"server.enabled\" must be true or false"
    );
    EXPECT_EQ(
        read({{"client", Value::Map{{"gc_interval", "soon"}}}}).error().message,
        "\"client.gc_interval\" must be a duration such as \"30s\" or \"1h\""
    );
}

TEST(Config, LaterFilesWinAndMapsMerge) {
    const Config base = *read(
        {{"region", "a"},
         {"client", Value::Map{{"enabled", true}, {"meta", Value::Map{{"x", "1"}, {"y", "1"}}}}}}
    );
    const Config over =
        *read({{"region", "b"}, {"client", Value::Map{{"meta", Value::Map{{"y", "2"}}}}}});
    const Config merged = merge(base, over);
    EXPECT_EQ(merged.region, "b");
    EXPECT_EQ(merged.client->enabled, true);
    EXPECT_EQ(merged.client->meta, (StringMap{{"x", "1"}, {"y", "2"}}));
    EXPECT_TRUE(merge(merged, Config{}) == merged);
}

TEST(Config, ChecksTheWhole) {
    EXPECT_TRUE(check_config(dev_config()).has_value());
    EXPECT_FALSE(check_config(Config{}).has_value());
    Config open = dev_config();
    open.bind_addr = "0.0.0.0";
    EXPECT_NE(
        check_config(open).error().message.find("open to everyone on 0.0.0.0"), std::string::npos
    );
    open.acl.ensure().enabled = true;
    EXPECT_TRUE(check_config(open).has_value());
    Config tls = dev_config();
    tls.tls.ensure().http = true;
    EXPECT_FALSE(check_config(tls).has_value());
    Config port = dev_config();
    port.ports.ensure().http = 70'000;
    EXPECT_FALSE(check_config(port).has_value());
}

TEST(ConfigFile, HclWithLabelsAndQuotedNames) {
    const auto config = parse_config(
        R"(region = "eu"
client {
  enabled = true
  options {
    "driver.raw_exec.enable" = "1"
  }
  host_volume "certs" {
    path = "/etc/certs"
  }
  host_volume "data" {
    path      = "/srv"
    read_only = true
  }
}
plugin "raw_exec" {
  config {
    enabled = true
  }
}
)",
        "a.hcl"
    );
    ASSERT_TRUE(config.has_value()) << config.error().message;
    EXPECT_EQ(config->region, "eu");
    EXPECT_EQ(config->client->options.at("driver.raw_exec.enable"), "1");
    EXPECT_EQ(config->client->host_volume.at("data").read_only, true);
    EXPECT_EQ(config->client->host_volume.at("certs").path, "/etc/certs");
    EXPECT_EQ(config->plugin.at("raw_exec").config.at("enabled"), Value(true));
}

TEST(ConfigFile, JsonIsRead) {
    const auto config =
        parse_config(R"({"ports":{"http":4000},"server":[{"enabled":true}]})", "a.json");
    ASSERT_TRUE(config.has_value()) << config.error().message;
    EXPECT_EQ(config->ports->http, 4000);
    EXPECT_EQ(config->server->enabled, true);
}

TEST(ConfigFile, MistakesHaveAPlace) {
    EXPECT_EQ(
        parse_config("ports {\n  htpp = 1\n}\n", "a.hcl").error().message,
        "a.hcl:2,3: unknown configuration key \"ports.htpp\"; did you mean \"http\"?"
    );
    EXPECT_NE(
        parse_config("server {\n  enabled =\n}\n", "a.hcl").error().message.find("a.hcl:2"),
        std::string::npos
    );
    EXPECT_NE(
        parse_config("{\"ports\": \"x\"}", "a.json").error().message.find("a.json:1,2"),
        std::string::npos
    );
}

}  // namespace
}  // namespace nl::agent

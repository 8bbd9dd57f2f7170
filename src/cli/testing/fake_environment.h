#pragma once
// An Environment without a machine: output is kept as text, the time is fixed and moves only when a
// command sleeps, files and variables are maps, HTTP answers are scripted by method and target, and
// the seed's service is whatever the test hands in.

#include "cli/environment.h"

#include <deque>
#include <map>
#include <string>
#include <vector>

namespace nl::cli::testing {

struct ScriptedReply {
    int status{200};
    std::string body;
    Headers headers;
};

struct FakeWorld {
    std::string out;
    std::string err;
    std::map<std::string, std::string> variables;
    std::map<std::string, std::string> files;
    std::deque<std::string> input;
    WallTime now{1'795'500'000'000'000'000};
    /// By "GET /v1/jobs", and "PARSE web.hcl" for the reading of a job file; answered in order, the
    /// last one again and again.
    std::map<std::string, std::deque<ScriptedReply>> replies;
    /// "PUT /v1/jobs {…}" as sent, in order.
    std::vector<std::string> sent;
    std::vector<HttpOptions> connections;
    std::function<std::unique_ptr<io::SeedClient>()> seed;
    agent::AgentArgs agent_args;
    agent::ServerArgs server_args;
};

/// Refers to the world, which must live longer.
Environment fake_environment(FakeWorld& world);

}  // namespace nl::cli::testing

// The binary's main(): the real environment, the agent's entry points, and the words that were
// typed.

#include "agent/agent_main.h"
#include "cli/program.h"

#include <string>
#include <vector>

int main(int argc, char** argv) {
    nl::cli::Environment environment = nl::cli::system_environment();
    environment.run_agent = nl::agent::run_agent;
    environment.run_server = nl::agent::run_server;
    return nl::cli::run(std::vector<std::string>(argv, argv + argc), environment);
}

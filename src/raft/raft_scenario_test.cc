// Plays the text scenarios of src/raft/testdata: each block is a command and, below "----", what it
// led to. NL_REWRITE=1 writes the files anew; the difference is to be read before it is kept. Time
// is virtual, chance comes from a seed: the same text every time.
#include "raft/testing/group.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace nl::raft {
namespace {

using testing::Group;

class Play {
public:
    std::string run(const std::string& line) {
        out_.clear();
        std::istringstream words(line);
        std::string verb;
        words >> verb;
        std::vector<std::string> args;
        for (std::string word; words >> word;) {
            args.push_back(word);
        }
        if (verb == "cluster") {
            begin(args);
        } else if (!group_) {
            return "begin with: cluster N\n";
        } else {
            act(verb, args);
        }
        if (group_ && !group_->violation.empty()) {
            out_ += "VIOLATION " + group_->violation + "\n";
        }
        return out_.empty() ? "ok\n" : out_;
    }

private:
    void say(const std::string& text) { out_ += text + "\n"; }
    static ServerId id(const std::string& word) {
        return ServerId(std::strtoull(word.c_str() + (word.starts_with("n") ? 1 : 0), nullptr, 10));
    }
    static std::uint64_t number(const std::string& word) {
        return std::strtoull(word.c_str(), nullptr, 10);
    }
    /// cluster VOTERS [spares=N] [seed=N] [queue=N] [trailing=N] [lease]
    void begin(const std::vector<std::string>& args) {
        Group::Settings s;
        for (const std::string& arg : args) {
            const std::string value = arg.substr(arg.find('=') + 1);
            if (arg.starts_with("spares=")) {
                s.spares = number(value);
            } else if (arg.starts_with("seed=")) {
                s.seed = number(value);
            } else if (arg.starts_with("queue=")) {
                s.options.proposals_max = number(value);
            } else if (arg.starts_with("trailing=")) {
                s.trailing = number(value);
            } else if (arg == "lease") {
                s.options.lease_reads = true;
            } else {
                s.voters = number(arg);
            }
        }
        group_ = std::make_unique<Group>(s);
        group_->trace = [this](const std::string& text) { say(text); };
    }
    void act(const std::string& verb, const std::vector<std::string>& args) {
        Group& g = *group_;
        const auto arg = [&](std::size_t i) { return i < args.size() ? args[i] : std::string(); };
        if (verb == "run") {
            g.run(milliseconds(static_cast<std::int64_t>(number(arg(0)))));
        } else if (verb == "messages") {
            g.trace_messages = arg(0) == "on";
        } else if (verb == "propose") {
            for (std::size_t i = 1; i < args.size(); ++i) {
                say(g.propose(id(arg(0)), arg(i)));
            }
        } else if (verb == "read") {
            say(g.read(id(arg(0))));
        } else if (verb == "transfer") {
            say(g.transfer(id(arg(0)), arg(1) == "any" ? kNobody : id(arg(1))));
        } else if (verb == "add") {
            say(g.change(
                id(arg(0)),
                AddLearner{
                    {.id = id(arg(1)), .voter = false, .name = arg(1), .address = {}, .info = {}}
                }
            ));
        } else if (verb == "promote") {
            say(g.change(id(arg(0)), Promote{id(arg(1))}));
        } else if (verb == "demote") {
            say(g.change(id(arg(0)), Demote{id(arg(1))}));
        } else if (verb == "remove") {
            say(g.change(id(arg(0)), Remove{id(arg(1))}));
        } else if (verb == "crash") {
            g.crash(id(arg(0)));
        } else if (verb == "restart") {
            g.restart(id(arg(0)));
        } else if (verb == "pause") {
            g.pause(id(arg(0)), milliseconds(static_cast<std::int64_t>(number(arg(1)))));
        } else if (verb == "full") {
            g.set_disk_full(id(arg(0)), arg(1) != "no");
        } else if (verb == "isolate") {
            g.isolate(id(arg(0)));
        } else if (verb == "cut") {
            g.cut(id(arg(0)), id(arg(1)));
        } else if (verb == "heal") {
            g.heal();
        } else if (verb == "snapshot") {
            g.compact(id(arg(0)));
        } else if (verb == "status") {
            for (const ServerId each : g.ids()) {
                status(each);
            }
        } else {
            say("unknown verb " + verb);
        }
    }
    void status(ServerId each) {
        if (!group_->is_up(each)) {
            return say(fmt::format("n{} down", each));
        }
        const Status s = group_->core(each).status();
        std::string members;
        for (const Member& m : s.membership.members) {
            members += fmt::format(" {}{}", m.id, m.voter ? "" : "?");
        }
        std::string line = fmt::format(
            "n{} {} term {} leader {} log {}..{} commit {} applied {} members{}",
            each,
            to_string(s.role),
            s.term,
            s.leader,
            s.first,
            s.last,
            s.commit,
            s.applied,
            members
        );
        for (const PeerStatus& p : s.peers) {
            const char* mode = p.mode == ProgressMode::Probe       ? "probe"
                               : p.mode == ProgressMode::Replicate ? "replicate"
                                                                   : "snapshot";
            line += fmt::format(" [{} {} {}]", p.id, mode, p.match);
        }
        say(line);
    }

    std::unique_ptr<Group> group_;
    std::string out_;
};

class RaftScenario : public ::testing::TestWithParam<std::string> {};

TEST_P(RaftScenario, Plays) {
    std::ifstream in(GetParam());
    ASSERT_TRUE(in.good());
    std::string result;
    std::string expected;
    Play play;
    std::string line;
    std::string command;
    std::size_t commands = 0;
    bool in_output = false;
    while (std::getline(in, line)) {
        expected += line + "\n";
        if (in_output) {
            in_output = !line.empty();
            continue;
        }
        if (line == "----") {
            result += "----\n" + play.run(command) + "\n";
            in_output = true;
            ++commands;
        } else {
            result += line + "\n";
            command = line.starts_with("#") || line.empty() ? command : line;
        }
    }
    in.close();
    EXPECT_GT(commands, 0u);
    EXPECT_EQ(result.find("VIOLATION"), std::string::npos) << result;
    if (std::getenv("NL_REWRITE") != nullptr) {
        std::ofstream(GetParam()) << result;
    } else {
        if (!expected.ends_with("\n\n")) {
            expected += "\n";
        }
        EXPECT_EQ(result, expected);
    }
}

std::vector<std::string> files() {
    std::vector<std::string> out;
    for (const auto& file :
         std::filesystem::directory_iterator(NL_SOURCE_DIR "/src/raft/testdata")) {
        if (file.path().extension() == ".txt") {
            out.push_back(file.path());
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

INSTANTIATE_TEST_SUITE_P(Files, RaftScenario, ::testing::ValuesIn(files()), [](const auto& param) {
    return std::filesystem::path(param.param).stem().string();
});

}  // namespace
}  // namespace nl::raft

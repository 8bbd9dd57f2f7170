// Whole commands against scripted servers, from testdata/*.txt. A case is
//
//   case NAME
//   reply METHOD TARGET [STATUS]      then the body, ended by a line with a dot
//   file NAME                         likewise
//   input                             likewise: lines of standard input
//   env NAME=VALUE
//   run WORDS…                        single quotes keep spaces
//   exit CODE, out, err, sent         what must come of it; texts end with a dot
//
// NL_REWRITE=1 writes what came instead; the difference is to be read.

#include "cli/program.h"
#include "cli/testing/fake_environment.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace nl::cli {

namespace {

using testing::FakeWorld;
using testing::ScriptedReply;

std::vector<std::string> split_words(const std::string& line) {
    std::vector<std::string> words;
    std::string word;
    bool quoted = false;
    bool any = false;
    for (const char c : line) {
        if (c == '\'') {
            quoted = !quoted;
            any = true;
        } else if (c == ' ' && !quoted) {
            if (any) {
                words.push_back(word);
            }
            word.clear();
            any = false;
        } else {
            word += c;
            any = true;
        }
    }
    if (any) {
        words.push_back(word);
    }
    return words;
}

std::string read_block(std::istream& in) {
    std::string text;
    std::string line;
    while (std::getline(in, line) && line != ".") {
        text += line + "\n";
    }
    return text;
}

std::string chomp(std::string text) {
    if (text.ends_with('\n')) {
        text.pop_back();
    }
    return text;
}

struct Outcome {
    int exit{0};
    std::string out;
    std::string err;
    std::string sent;
};

std::string shown(const std::string& title, const std::string& text) {
    return text.empty() ? "" : title + "\n" + text + (text.ends_with('\n') ? "" : "\n") + ".\n";
}

struct Record {
    std::string name;
    Outcome wanted;
    Outcome came;
};

class Reader {
public:
    explicit Reader(const std::filesystem::path& path) : in_(path) {}

    // The file again, with what came in place of what was wanted.
    std::string rewritten() const { return rewritten_; }

    std::vector<Record> run() {
        std::string line;
        while (std::getline(in_, line)) {
            step(line);
        }
        flush();
        return std::move(runs_);
    }

private:
    void step(const std::string& line) {
        const std::vector<std::string> words = split_words(line);
        if (words.empty() || words[0] == "#") {
            flush();
            rewritten_ += line + "\n";
            return;
        }
        const std::string& verb = words[0];
        if (verb == "exit") {
            current_.wanted.exit = std::stoi(words.at(1));
            return;
        }
        if (verb == "out" || verb == "err" || verb == "sent") {
            const std::string text = read_block(in_);
            (verb == "out"   ? current_.wanted.out
             : verb == "err" ? current_.wanted.err
                             : current_.wanted.sent) = text;
            return;
        }
        flush();
        rewritten_ += line + "\n";
        if (verb == "case") {
            world_ = FakeWorld{};
            name_ = words.at(1);
        } else if (verb == "env") {
            const auto equals = words.at(1).find('=');
            world_.variables[words[1].substr(0, equals)] = words[1].substr(equals + 1);
        } else if (verb == "reply") {
            const std::string body = keep(read_block(in_));
            ScriptedReply reply{
                .status = 200, .body = chomp(body), .headers = {{"x-nomad-index", "7"}}
            };
            if (words.size() > 3) {
                reply.status = std::stoi(words[3]);
            }
            world_.replies[words.at(1) + " " + words.at(2)].push_back(std::move(reply));
        } else if (verb == "file") {
            world_.files[words.at(1)] = keep(read_block(in_));
        } else if (verb == "input") {
            std::istringstream lines(keep(read_block(in_)));
            for (std::string text; std::getline(lines, text);) {
                world_.input.push_back(text);
            }
        } else if (verb == "run") {
            run_words(words);
        } else {
            FAIL() << "unknown verb in scenario: " << line;
        }
    }

    const std::string& keep(const std::string& block) {
        rewritten_ += block + ".\n";
        kept_ = block;
        return kept_;
    }

    void run_words(std::vector<std::string> words) {
        words.erase(words.begin());
        world_.out.clear();
        world_.err.clear();
        world_.sent.clear();
        current_ = Record{.name = name_, .wanted = {}, .came = {}};
        current_.came.exit = cli::run(words, fake_environment(world_));
        current_.came.out = world_.out;
        current_.came.err = world_.err;
        for (const std::string& line : world_.sent) {
            if (!line.starts_with("GET ")) {
                current_.came.sent += line + "\n";
            }
        }
        pending_ = true;
    }

    void flush() {
        if (!pending_) {
            return;
        }
        pending_ = false;
        rewritten_ += "exit " + std::to_string(current_.came.exit) + "\n";
        rewritten_ += shown("out", current_.came.out) + shown("err", current_.came.err) +
                      shown("sent", current_.came.sent);
        runs_.push_back(std::move(current_));
    }

    std::ifstream in_;
    FakeWorld world_;
    std::string name_;
    std::string kept_;
    Record current_;
    bool pending_{false};
    std::vector<Record> runs_;
    std::string rewritten_;
};

std::string with_newline(const std::string& text) {
    return text.empty() || text.ends_with('\n') ? text : text + "\n";
}

TEST(Scenario, EveryFile) {
    const std::filesystem::path folder = std::filesystem::path(NL_SOURCE_DIR) / "src/cli/testdata";
    int cases = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".txt") {
            continue;
        }
        Reader reader(entry.path());
        for (const Record& run : reader.run()) {
            SCOPED_TRACE(entry.path().filename().string() + ": " + run.name);
            ++cases;
            if (std::getenv("NL_REWRITE") != nullptr) {
                continue;
            }
            EXPECT_EQ(run.wanted.exit, run.came.exit);
            EXPECT_EQ(run.wanted.out, with_newline(run.came.out));
            EXPECT_EQ(run.wanted.err, with_newline(run.came.err));
            EXPECT_EQ(run.wanted.sent, run.came.sent);
        }
        if (std::getenv("NL_REWRITE") != nullptr) {
            std::ofstream(entry.path()) << reader.rewritten();
        }
    }
    EXPECT_GT(cases, 20);
}

}  // namespace

}  // namespace nl::cli

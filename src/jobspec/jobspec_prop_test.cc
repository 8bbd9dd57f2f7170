// The whole language, made at random from the tables that read it: every argument and block there
// is gets written, read, laid out, turned into JSON and back, and must stay the same job.

#include "base/rng.h"
#include "hcl/format.h"
#include "jobspec/canonicalize.h"
#include "jobspec/decoder.h"
#include "jobspec/jobspec.h"
#include "wire/json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace nl::jobspec {
namespace {

enum class Form : unsigned char { Text, Time, Number, Bool, Texts, Numbers, Map, MapOfLists, None };

/// One thing in a body: an argument with its value, or a block.
struct Node {
    std::string name;
    bool is_block{false};
    Form form{Form::Text};
    /// An argument's value, the same in both syntaxes.
    std::string value;
    std::vector<std::string> labels;
    std::vector<Node> inside;
};

void write_hcl(const std::vector<Node>& body, int indent, std::string& out) {
    const std::string margin(static_cast<std::size_t>(indent), ' ');
    for (const Node& n : body) {
        if (!n.is_block) {
            out += fmt::format("{}{} = {}\n", margin, n.name, n.value);
            continue;
        }
        out += margin + n.name;
        for (const std::string& label : n.labels) {
            out += fmt::format(" \"{}\"", label);
        }
        out += " {\n";
        write_hcl(n.inside, indent + 1, out);
        out += margin + "}\n";
    }
}

void write_json(const std::vector<Node>& body, std::string& out) {
    out += '{';
    std::set<std::string> done;
    for (std::size_t i = 0; i < body.size(); ++i) {
        const Node& n = body[i];
        if (!done.insert(n.name).second) {
            continue;
        }
        if (out.back() != '{') {
            out += ',';
        }
        out += fmt::format("\"{}\":", n.name);
        if (!n.is_block) {
            out += n.value;
            continue;
        }
        // All blocks of the type, in their order.
        out += '[';
        for (std::size_t j = i; j < body.size(); ++j) {
            if (body[j].name != n.name) {
                continue;
            }
            if (out.back() != '[') {
                out += ',';
            }
            for (const std::string& label : body[j].labels) {
                out += fmt::format("{{\"{}\":", label);
            }
            write_json(body[j].inside, out);
            out.append(body[j].labels.size(), '}');
        }
        out += ']';
    }
    out += '}';
}

/// Where a body stands: the blocks around it, outermost first.
using Path = std::vector<const BlockRule*>;

std::string label_for(const BlockRule& rule, std::size_t number) {
    return rule.type == "scaling" ? "cpu" : fmt::format("l{}", number);
}

/// A job with nothing but this one argument.
std::string alone(const Path& path, const std::string& argument, const std::string& value) {
    std::string out = "job \"j\" {\n";
    for (const BlockRule* rule : path) {
        out += rule->type;
        for (std::size_t i = 0; i < rule->labels.size(); ++i) {
            out += fmt::format(" \"{}\"", label_for(*rule, i));
        }
        out += " {\n";
        for (const ArgumentRule& a : rule->inside().arguments) {
            if (a.required && (rule != path.back() || a.name != argument)) {
                out += fmt::format("{} = \"1\"\n", a.name);
            }
        }
    }
    out += fmt::format("{} = {}\n", argument, value);
    for (std::size_t i = 0; i < path.size(); ++i) {
        out += "}\n";
    }
    return out + "}\n";
}

class Language {
public:
    /// What an argument takes, found by trying.
    Form form_of(const Path& path, std::string_view argument) {
        std::string key;
        for (const BlockRule* rule : path) {
            key += rule->type;
            key += '.';
        }
        key += argument;
        const auto [known, fresh] = forms_.emplace(key, Form::None);
        if (fresh) {
            static constexpr std::pair<const char*, Form> kTries[] = {
                {"\"x\"", Form::Text},
                {"\"5s\"", Form::Time},
                {"3", Form::Number},
                {"true", Form::Bool},
                {"[\"a\"]", Form::Texts},
                {"[1]", Form::Numbers},
                {"{ a = \"b\" }", Form::Map},
                {"{ a = [\"b\"] }", Form::MapOfLists},
            };
            for (const auto& [value, form] : kTries) {
                if (parse({.source = alone(path, std::string(argument), value)})) {
                    known->second = form;
                    break;
                }
            }
            EXPECT_NE(known->second, Form::None) << key << " takes nothing";
        }
        used_.insert(key);
        return known->second;
    }

    std::size_t used() const { return used_.size(); }

private:
    std::map<std::string, Form> forms_;
    std::set<std::string> used_;
};

/// Every argument of every table that can be reached.
std::size_t count_arguments(const Rules& rules, int depth) {
    std::size_t count = rules.arguments.size();
    for (const BlockRule& rule : rules.blocks) {
        if (rule.inside != nullptr && depth > 0) {
            count += count_arguments(rule.inside(), depth - 1);
        }
    }
    return count;
}

constexpr int kDeepest = 12;

class Maker {
public:
    /// `everything`: every block, once; otherwise some of them, some of them twice.
    Maker(Language& language, Rng& rng, bool everything)
        : language_(language), rng_(rng), everything_(everything) {}

    std::vector<Node> body(const Rules& rules, Path& path) {
        std::vector<Node> out;
        std::set<std::string_view> taken;
        for (const ArgumentRule& rule : rules.arguments) {
            if (rule.required || rng_.chance(1, 2)) {
                const Form form = language_.form_of(path, rule.name);
                out.push_back({.name = std::string(rule.name), .form = form, .value = value(form)});
                taken.insert(rule.name);
            }
        }
        for (const BlockRule& rule : rules.blocks) {
            if (taken.contains(rule.type) ||
                (!everything_ && !rng_.chance(1, path.size() < 2 ? 2 : 3))) {
                continue;
            }
            const bool many = rule.times == Times::Many && !everything_;
            const std::size_t times = many ? 1 + rng_.below(2) : 1;
            for (std::size_t i = 0; i < times; ++i) {
                Node node{.name = std::string(rule.type), .is_block = true};
                for (std::size_t l = 0; l < rule.labels.size(); ++l) {
                    node.labels.push_back(label_for(rule, number_++));
                }
                if (rule.inside != nullptr) {
                    path.push_back(&rule);
                    node.inside = body(rule.inside(), path);
                    path.pop_back();
                } else if (rule.type == "config" || rule.type == "policy") {
                    node.inside = free_form();
                } else {
                    const bool lists = rule.type == "header";
                    node.inside.push_back(
                        {.name = "k", .value = value(lists ? Form::Texts : Form::Text)}
                    );
                }
                out.push_back(std::move(node));
            }
        }
        return out;
    }

private:
    std::string text() {
        static constexpr std::string_view kTexts[] = {
            "x",
            "",
            "a b",
            "caf\xC3\xA9",
            "\\\"q\\\"",
            "line\\nline",
            "${node.class}",
            "$${x}",
            "a-${attr.kernel.name}-b",
            "\\\\",
            "%%{x}",
            "10.0.0.1",
            "\\t",
            "\xF0\x9F\x9A\x80",
        };
        return fmt::format("\"{}\"", kTexts[rng_.below(std::size(kTexts))]);
    }

    std::string value(Form form) {
        switch (form) {
            case Form::Text:
            case Form::None:
                return text();
            case Form::Time:
                return rng_.chance(1, 2) ? fmt::format("\"{}s\"", rng_.below(900))
                                         : fmt::format("\"{}h{}m\"", rng_.below(9), rng_.below(60));
            case Form::Number:
                return std::to_string(rng_.below(100));
            case Form::Bool:
                return rng_.chance(1, 2) ? "true" : "false";
            case Form::Texts:
                return fmt::format("[{}, {}]", text(), text());
            case Form::Numbers:
                return fmt::format("[{}]", rng_.below(100));
            case Form::Map:
                return "{\"k\" : " + text() + "}";
            case Form::MapOfLists:
                return "{\"k\" : [" + text() + "]}";
        }
        return "null";
    }

    std::vector<Node> free_form() {
        std::vector<Node> out;
        out.push_back({.name = "command", .value = text()});
        out.push_back({.name = "args", .value = value(Form::Texts)});
        out.push_back({.name = "n", .value = "1.5"});
        out.push_back({.name = "b", .value = "true"});
        return out;
    }

    Language& language_;
    Rng& rng_;
    bool everything_;
    std::size_t number_{0};
};

TEST(Language, WhateverIsWrittenStaysTheSameJob) {
    Language language;
    Rng rng(20261127);
    for (int round = 0; round < 300; ++round) {
        Path path;
        const std::vector<Node> body =
            Maker(language, rng, round % 10 == 0).body(job_rules(), path);
        const std::vector<Node> file{
            {.name = "job", .is_block = true, .labels = {"j"}, .inside = body}
        };
        std::string text;
        write_hcl(file, 0, text);
        const auto parsed = parse({.source = text});
        ASSERT_TRUE(parsed) << parsed.error().message << "\n" << text;
        const model::JobSpec& job = parsed->job;

        // The same in the JSON form of HCL.
        std::string json;
        write_json(file, json);
        const auto as_json = parse({.source = json});
        ASSERT_TRUE(as_json) << as_json.error().message << "\n" << json;
        ASSERT_EQ(wire::to_json(as_json->job), wire::to_json(job)) << text;

        // Laid out it means the same, and is laid out the same again.
        hcl::Diagnostics mistakes;
        const std::string once = hcl::format(text, 0, mistakes);
        ASSERT_FALSE(mistakes.has_errors()) << text;
        ASSERT_EQ(hcl::format(once, 0, mistakes), once);
        const auto laid_out = parse({.source = once});
        ASSERT_TRUE(laid_out) << laid_out.error().message << "\n" << once;
        ASSERT_EQ(laid_out->job, job) << once;

        // Through the API's JSON and back.
        const auto back = wire::from_json<model::JobSpec>(wire::to_json(job));
        ASSERT_TRUE(back) << back.error().message;
        ASSERT_EQ(*back, job) << text;

        // Defaults are filled in once; the stored form goes through its JSON and back.
        model::JobSpec filled = job;
        canonicalize(filled);
        model::JobSpec again = filled;
        canonicalize(again);
        ASSERT_EQ(filled, again) << text;
        const model::Job stored = to_job(job);
        ASSERT_EQ(to_job(to_spec(stored)), stored) << text;
        const auto kept = wire::from_json<model::JobSpec>(wire::to_json(stored));
        ASSERT_TRUE(kept) << kept.error().message;
        ASSERT_EQ(wire::to_json(to_job(*kept)), wire::to_json(stored)) << text;
    }
    // Chance has been everywhere.
    EXPECT_EQ(language.used(), count_arguments(job_rules(), kDeepest));
}

}  // namespace
}  // namespace nl::jobspec

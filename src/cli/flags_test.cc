#include "cli/flags.h"

#include <gtest/gtest.h>

namespace nl::cli {

namespace {

const std::vector<FlagSpec> kSpecs{
    {.name = "detach", .kind = FlagKind::Bool, .help = ""},
    {.name = "diff", .kind = FlagKind::Bool, .help = "", .fallback = "true"},
    {.name = "output", .kind = FlagKind::Text, .help = "", .fallback = "table", .alias = "o"},
    {.name = "var", .kind = FlagKind::List, .help = ""},
    {.name = "n", .kind = FlagKind::Integer, .help = ""},
    {.name = "wait", .kind = FlagKind::Duration, .help = "", .fallback = "2s"},
};

Result<ParsedLine> parse(std::vector<std::string> words, FlagOrder order = FlagOrder::First) {
    return parse_flags(kSpecs, words, order);
}

TEST(Flags, OneAndTwoDashesAreTheSame) {
    for (const char* word : {"-detach", "--detach", "-detach=true", "--detach=1"}) {
        const auto line = parse({word, "job"});
        ASSERT_TRUE(line) << word;
        EXPECT_TRUE(line->flags.on("detach"));
        EXPECT_EQ(line->arguments, std::vector<std::string>{"job"});
    }
    EXPECT_FALSE(parse({"-detach=false"})->flags.on("detach"));
    EXPECT_TRUE(parse({"-detach=false"})->flags.given("detach"));
}

TEST(Flags, ValuesAndFallbacks) {
    const auto line = parse({"-var", "a=1", "--var=b=2", "-n=-3"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->flags.list("var"), (std::vector<std::string>{"a=1", "b=2"}));
    EXPECT_EQ(line->flags.integer("n"), -3);
    EXPECT_EQ(line->flags.text("output"), "table");
    EXPECT_TRUE(line->flags.on("diff"));
    EXPECT_EQ(line->flags.duration("wait"), seconds(2));
    EXPECT_FALSE(line->flags.given("wait"));
}

TEST(Flags, TheFirstArgumentEndsThem) {
    const auto line = parse({"-detach", "x", "-n", "5"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->arguments, (std::vector<std::string>{"x", "-n", "5"}));
    EXPECT_FALSE(line->flags.given("n"));
    EXPECT_EQ(parse({"--", "-detach"})->arguments, std::vector<std::string>{"-detach"});
    EXPECT_EQ(parse({"-"})->arguments, std::vector<std::string>{"-"});
}

TEST(Flags, SeedMannersTakeThemAnywhere) {
    const auto line = parse({"echo hi", "-ojson", "--n", "4"}, FlagOrder::Anywhere);
    ASSERT_TRUE(line);
    EXPECT_EQ(line->arguments, std::vector<std::string>{"echo hi"});
    EXPECT_EQ(line->flags.text("output"), "json");
    EXPECT_EQ(line->flags.integer("n"), 4);
}

TEST(Flags, MistakesAreOneSentence) {
    const auto message = [](std::vector<std::string> words) {
        const auto line = parse(std::move(words));
        return line ? std::string("accepted") : line.error().message;
    };
    EXPECT_EQ(message({"-detahc"}), "unknown flag -detahc; did you mean -detach?");
    EXPECT_EQ(message({"-xyzzy"}), "unknown flag -xyzzy");
    EXPECT_EQ(message({"-n"}), "flag -n needs a value");
    EXPECT_EQ(message({"-n=x"}), "flag -n takes a whole number, not \"x\"");
    EXPECT_EQ(message({"-detach=maybe"}), "flag -detach takes true or false, not \"maybe\"");
    EXPECT_EQ(
        message({"-wait", "soon"}), "flag -wait takes a duration such as 90s or 1h30m, not \"soon\""
    );
}

TEST(Flags, Nearest) {
    const std::vector<std::string> words{"job", "node", "alloc", "status", "a"};
    EXPECT_EQ(nearest("jbo", words), "job");
    EXPECT_EQ(nearest("stauts", words), "status");
    EXPECT_EQ(nearest("aloc", words), "alloc");
    EXPECT_EQ(nearest("zebra", words), "");
    EXPECT_EQ(nearest("", words), "");
}

}  // namespace

}  // namespace nl::cli

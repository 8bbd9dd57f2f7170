#include "cli/format.h"

#include "cli/frames.h"
#include "cli/template.h"

#include <gtest/gtest.h>

namespace nl::cli {

namespace {

TEST(Format, TablesAlignByCharacters) {
    EXPECT_EQ(table({{"ID", "Name"}, {"1", "änne"}, {"22", ""}}), "ID  Name\n1   änne\n22  <none>");
    EXPECT_EQ(table({{"ä", "x"}, {"bb", "y"}}), "ä   x\nbb  y");
    EXPECT_EQ(
        table({{"\x1b[31mred\x1b[0m", "x"}, {"long", "y"}}), "\x1b[31mred\x1b[0m   x\nlong  y"
    );
    EXPECT_EQ(key_values({{"ID", "a"}, {"Job ID", ""}}), "ID     = a\nJob ID = <none>");
}

TEST(Format, Times) {
    const WallTime t = parse_rfc3339("2026-11-24T00:30:05.6Z").value();
    EXPECT_EQ(local_time(t, 0), "2026-11-24T00:30:05Z");
    EXPECT_EQ(local_time(t, 3600), "2026-11-24T01:30:05+01:00");
    EXPECT_EQ(local_time(t, -12'600), "2026-11-23T21:00:05-03:30");
    EXPECT_EQ(local_time(WallTime{}, 0), "");
    EXPECT_EQ(time_distance(t, t), "0s ago");
    EXPECT_EQ(time_distance(t, t + seconds(3780)), "1h3m ago");
    EXPECT_EQ(time_distance(t, t + seconds(3601)), "1h ago");
    EXPECT_EQ(time_distance(t + hours(49), t), "2d1h from now");
    EXPECT_EQ(time_distance(t, t + hours(24 * 400)), "1y1mo ago");
    EXPECT_EQ(short_duration(hours(24)), "24h");
    EXPECT_EQ(short_duration(seconds(90)), "1m30s");
}

TEST(Format, Sizes) {
    EXPECT_EQ(binary_size(0), "0 B");
    EXPECT_EQ(binary_size(512), "512 B");
    EXPECT_EQ(binary_size(1'153'434), "1.1 MiB");
    EXPECT_EQ(binary_size(256 * 1024 * 1024), "256 MiB");
    EXPECT_EQ(binary_size(std::uint64_t{25'276'502'016}), "24 GiB");
}

TEST(Json, IndentKeepsOrderAndText) {
    EXPECT_EQ(
        indent_json(R"({"b":[1,2],"a":{},"c":"x{,\"y"})", 4),
        "{\n    \"b\": [\n        1,\n        2\n    ],\n    \"a\": {},\n    \"c\": \"x{,\\\"y\"\n}"
    );
}

TEST(Json, AMissingFieldReadsAsNothing) {
    const Value value = parse_json(R"({"A":{"B":[{"C":5}]},"D":null})").value();
    const Doc doc(value);
    EXPECT_EQ(doc["A"]["B"].at(0)["C"].integer(), 5);
    EXPECT_EQ(doc["A"]["B"].at(3)["C"].integer(), 0);
    EXPECT_EQ(doc["X"]["Y"].text(), "");
    EXPECT_TRUE(doc["D"].is_null());
    EXPECT_TRUE(doc["A"].list().empty());
}

TEST(Template, FieldsBlocksAndFunctions) {
    const Value value =
        parse_json(
            R"({"ID":"a1","N":3,"On":true,"L":["x","y"],"M":{"k":"v"},"S":[{"I":1},{"I":2}]})"
        )
            .value();
    const auto expand = [&](const char* form) {
        const auto text = expand_template(form, value);
        return text ? *text : "error: " + text.error().message;
    };
    EXPECT_EQ(expand("{{.ID}} {{ .M.k }}"), "a1 v");
    EXPECT_EQ(expand("{{range .L}}<{{.}}>{{end}}"), "<x><y>");
    EXPECT_EQ(expand("{{range $i, $s := .S}}{{$i}}={{$s.I}};{{end}}"), "0=1;1=2;");
    EXPECT_EQ(expand("{{range $k, $v := .M}}{{$k}}:{{$v}} of {{$.ID}}{{end}}"), "k:v of a1");
    EXPECT_EQ(expand("{{if and .On (gt .N 2)}}yes{{else}}no{{end}}"), "yes");
    EXPECT_EQ(expand("{{if eq .ID \"b\"}}b{{else if eq .ID \"a1\"}}a{{else}}?{{end}}"), "a");
    EXPECT_EQ(expand("{{.N | printf \"%03d|%-4s|\" }}"), "003|%!s(MISSING)|");
    EXPECT_EQ(expand("{{.ID | printf \"%-4s|\" | len}}"), "5");
    EXPECT_EQ(expand("{{printf \"%q %5d\" .ID .N}}"), "\"a1\"     3");
    EXPECT_EQ(expand("{{index .L 1}}{{index .M \"k\"}}{{len .L}}"), "yv2");
    EXPECT_EQ(expand("a {{- \" b\" -}} c"), "a bc");
    EXPECT_EQ(expand("{{.Nope}} {{.L}} {{.M}}"), "<no value> [x y] map[k:v]");
    EXPECT_EQ(expand("{{with .M}}{{.k}}{{end}}{{/* said */}}"), "v");
    EXPECT_EQ(expand("{{range .L}}"), "error: template: template:1: unexpected EOF");
    EXPECT_EQ(expand("{{.ID"), "error: template: template:1: unclosed action");
    EXPECT_EQ(expand("{{nope .ID}}"), "error: template: template:1: function \"nope\" not defined");
    EXPECT_EQ(expand("{{end}}"), "error: template: template:1: unexpected {{end}}");
}

TEST(Frames, ArriveInAnyPieces) {
    std::string text;
    FrameReader reader([&](const Frame& frame) {
        text += frame.data;
        return frame.file != "last";
    });
    const std::string stream =
        R"({"Data":"aGk=","File":"a\"{.0"}{} {"Data":"IQ==","File":"last"}{"Data":"aGk="})";
    bool more = true;
    for (const char c : stream) {
        more = more && reader.feed(std::string_view(&c, 1));
    }
    EXPECT_EQ(text, "hi!");
    EXPECT_FALSE(more);
    EXPECT_TRUE(reader.status());
}

TEST(Frames, AServersWordsAreNoFrame) {
    FrameReader reader([](const Frame&) { return true; });
    EXPECT_FALSE(reader.feed("task \"web\" not started yet"));
    EXPECT_EQ(reader.status().error().message, "task \"web\" not started yet");
}

}  // namespace

}  // namespace nl::cli

#include "base/codec.h"

#include <gtest/gtest.h>

namespace nl {
namespace {

struct Golden {
    bool on{};
    std::int64_t number{};
    std::string text;
    std::vector<std::string> list;
    StringMap map;
    std::optional<std::int64_t> maybe;
    double ratio{};
    Value free;
    NL_FIELDS(
        Golden,
        (1, on),
        (2, number),
        (3, text),
        (4, list),
        (5, map),
        (6, maybe),
        (7, ratio),
        (40, free)
    )
};

// docs/formats/codec.md: these bytes are on people's disks.
TEST(Codec, GoldenBytes) {
    Golden g;
    g.on = true;
    g.number = -3;
    g.text = "ab";
    g.list = {"x", ""};
    g.map = {{"k", "v"}};
    g.maybe = 0;
    g.ratio = 0.5;
    g.free = Value::List{1, "s", Value()};
    EXPECT_EQ(
        hex_encode(encode(g)),
        "040108050e026162120402017800160501016b01761a0201001d000000000000e03fa2010b0503020202030401"
        "730100"
    );
    EXPECT_EQ(encode(Golden{}), "");
    EXPECT_TRUE(*decode<Golden>(encode(g)) == g);
}

}  // namespace
}  // namespace nl

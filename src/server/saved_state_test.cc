#include "server/saved_state.h"

#include "base/rng.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nl::server {
namespace {

Bytes save(const state::Snapshot& snapshot, const SavedExtra& extra) {
    Bytes out;
    EXPECT_TRUE(write_saved(snapshot, extra, [&](BytesView chunk) -> Result<void> {
        out += chunk;
        return {};
    }));
    return out;
}

Result<SavedState> load(BytesView bytes, std::size_t step) {
    return load_saved([&bytes, step](std::size_t max) -> Result<Bytes> {
        Bytes part(bytes.substr(0, std::min(max, step)));
        bytes.remove_prefix(part.size());
        return part;
    });
}

TEST(SavedState, RequestsAndShiftComeBackWithTheState) {
    Rng rng(1);
    state::Store store;
    store.skip(Index(9));
    RequestWindow window;
    const Uuid request = Uuid::random(rng);
    window.remember(request, {.index = Index(4)});
    const SavedExtra extra{.requests = window.save(), .index_shift = 7};
    const Bytes saved = save(store.snapshot(), extra);
    for (const std::size_t step : {1UL, 7UL, 1'000'000UL}) {
        const auto back = load(saved, step);
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_EQ(back->store.index(), Index(9));
        EXPECT_EQ(back->index_shift, 7u);
        EXPECT_EQ(back->requests.judge(request, Index(0)).outcome->index, Index(4));
    }
}

TEST(SavedState, OneWithoutRequestsIsTheStateAlone) {
    state::Store store;
    const Bytes saved = save(store.snapshot(), {});
    EXPECT_TRUE(saved.starts_with("NLSTATE1"));
    const auto back = load(saved, 1000);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->requests.size(), 0u);
    EXPECT_EQ(back->index_shift, 0u);
}

TEST(SavedState, DamageIsFound) {
    state::Store store;
    const Bytes saved = save(store.snapshot(), {.requests = {}, .index_shift = 3});
    for (std::size_t at = 0; at < saved.size(); ++at) {
        Bytes bad = saved;
        bad[at] = static_cast<char>(bad[at] ^ 0x20);
        EXPECT_FALSE(load(bad, 1000)) << at;
    }
    EXPECT_FALSE(load(BytesView(saved).substr(0, 12), 1000));
    EXPECT_FALSE(load("", 1000));
}

TEST(SavedState, CountsWhatItHolds) {
    state::Store store;
    Bytes saved;
    ASSERT_TRUE(state::Store::save(store.snapshot(), [&](BytesView chunk) -> Result<void> {
        saved += chunk;
        return {};
    }));
    const auto counts = count_saved(saved);
    ASSERT_TRUE(counts) << counts.error().message;
    // What every cluster has: namespace `default`, node pools `default` and `all`.
    const auto count = [&](std::string_view table) {
        for (const SavedCount& one : *counts) {
            if (one.table == table) {
                return one.count;
            }
        }
        return std::uint64_t{0};
    };
    EXPECT_EQ(count("namespaces"), 1u);
    EXPECT_EQ(count("node_pools"), 2u);
    EXPECT_FALSE(count_saved(BytesView(saved).substr(0, saved.size() - 1)));
    EXPECT_FALSE(count_saved("nonsense"));
}

}  // namespace
}  // namespace nl::server

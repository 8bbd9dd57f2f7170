#include "io/certificates.h"

#include <gtest/gtest.h>

namespace nl::io {
namespace {

TEST(Certificates, an_authority_signs_what_it_is_asked) {
    const auto ca = make_authority(
        {.name = {.common_name = "Nomad Agent CA", .parts = {{"C", "DE"}, {"O", "Acme"}}},
         .days = 10,
         .permitted_domains = {"nomad", "localhost"}}
    );
    ASSERT_TRUE(ca.has_value()) << ca.error().message;
    const auto about = read_certificate(ca->certificate);
    ASSERT_TRUE(about.has_value());
    EXPECT_TRUE(about->is_authority);
    EXPECT_EQ(about->common_name, "Nomad Agent CA");
    EXPECT_EQ(about->permitted_domains, (std::vector<std::string>{"nomad", "localhost"}));
    const auto leaf = make_leaf(
        {.name = {.common_name = "server.global.nomad", .parts = {}},
         .days = 5,
         .dns_names = {"server.global.nomad", "localhost"},
         .ip_addresses = {"127.0.0.1", "::1"}},
        *ca
    );
    ASSERT_TRUE(leaf.has_value()) << leaf.error().message;
    const auto shown = read_certificate(leaf->certificate);
    ASSERT_TRUE(shown.has_value());
    EXPECT_FALSE(shown->is_authority);
    EXPECT_EQ(shown->issuer, "Nomad Agent CA");
    EXPECT_EQ(shown->dns_names, (std::vector<std::string>{"server.global.nomad", "localhost"}));
    EXPECT_EQ(shown->ip_addresses.front(), "127.0.0.1");
    EXPECT_LT(shown->not_after.unix_ns, about->not_after.unix_ns);
}

TEST(Certificates, what_cannot_be_is_refused_in_a_sentence) {
    EXPECT_FALSE(make_authority({.name = {.common_name = "x", .parts = {}}, .days = 0}).has_value());
    const auto one = make_authority({.name = {.common_name = "one", .parts = {}}});
    const auto two = make_authority({.name = {.common_name = "two", .parts = {}}});
    ASSERT_TRUE(one && two);
    const LeafRequest leaf{.name = {.common_name = "x", .parts = {}}};
    EXPECT_FALSE(make_leaf(leaf, {one->certificate, two->key}).has_value());
    EXPECT_FALSE(make_leaf(leaf, {"no pem", one->key}).has_value());
    LeafRequest bad = leaf;
    bad.ip_addresses = {"not an address"};
    EXPECT_FALSE(make_leaf(bad, *one).has_value());
    EXPECT_FALSE(read_certificate("nothing").has_value());
}

}  // namespace
}  // namespace nl::io

#pragma once
// A schema as data, and what reads a body by it: each known argument and block of a noun is one
// entry in one table (rules_*.cc), so that a new one is one entry away from being known. Unknown
// names are refused with the nearest known one. Not part of the module's interface.

#include "hcl/body.h"
#include "model/job.h"

#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace nl::jobspec {

class Decoder;

struct ArgumentRule {
    std::string_view name;
    std::function<void(void* target, const hcl::BodyAttribute&, Decoder&)> set;
    bool required{false};
};

enum class Times : unsigned char { Once, Many };

struct Rules;

struct BlockRule {
    std::string_view type;
    std::vector<std::string_view> labels;
    Times times{Times::Once};
    std::function<void(void* target, const hcl::BodyBlock&, Decoder&)> read;
    /// What may stand in it; null for a map of any names and for a body without a schema. For
    /// whoever looks through the whole language (tests, its reference): `read` does the reading.
    const Rules& (*inside)(){nullptr};
};

struct Rules {
    std::vector<ArgumentRule> arguments;
    std::vector<BlockRule> blocks;
};

class Decoder {
public:
    Decoder(hcl::EvalContext context, const hcl::SourceNames& names, hcl::Diagnostics& diagnostics)
        : context_(context), names_(names), diagnostics_(diagnostics) {}

    /// Reads everything in `body` into `target`, which is of the type the rules are for.
    void read(const Rules& rules, void* target, const hcl::BodyView& body);

    /// One value into a field; false, and the field as it was, after a mistake or null.
    bool assign(const hcl::BodyAttribute& from, std::string& to);
    bool assign(const hcl::BodyAttribute& from, bool& to);
    bool assign(const hcl::BodyAttribute& from, std::int64_t& to);
    bool assign(const hcl::BodyAttribute& from, Duration& to);
    bool assign(const hcl::BodyAttribute& from, std::vector<std::string>& to);
    bool assign(const hcl::BodyAttribute& from, std::vector<std::int64_t>& to);
    bool assign(const hcl::BodyAttribute& from, StringMap& to);
    bool assign(const hcl::BodyAttribute& from, Map<std::vector<std::string>>& to);
    template <class T>
    bool assign(const hcl::BodyAttribute& from, std::optional<T>& to) {
        T value{};
        if (!assign(from, value)) {
            return false;
        }
        to = std::move(value);
        return true;
    }

    /// A body without a schema, as drivers take it: nested blocks become lists of maps.
    ValueMap free_form(const hcl::BodyView& body);
    /// A body whose arguments are a map.
    template <class M>
    void map_block(const hcl::BodyView& body, M& to);

    void error(std::string summary, std::string detail, const hcl::Range& range) {
        diagnostics_.error(std::move(summary), std::move(detail), range);
    }

private:
    /// The value as that type; nullopt for null or after a mistake.
    std::optional<hcl::Value> value_of(const hcl::BodyAttribute& from, const hcl::Type& type);
    void refuse_argument(const Rules& rules, const hcl::BodyAttribute& a);
    void refuse_block(const Rules& rules, const hcl::BodyBlock& b);
    bool labels_fit(const BlockRule& rule, const hcl::BodyBlock& block);

    hcl::EvalContext context_;
    const hcl::SourceNames& names_;
    hcl::Diagnostics& diagnostics_;
    std::size_t made_{0};
};

template <class M>
void Decoder::map_block(const hcl::BodyView& body, M& to) {
    const hcl::BodyContent content = body.read({}, context_, diagnostics_, made_);
    for (const hcl::BodyBlock& b : content.blocks) {
        refuse_block({}, b);
    }
    for (const hcl::BodyAttribute& a : content.attributes) {
        typename M::mapped_type value{};
        assign(a, value);
        to.insert_or_assign(a.name, std::move(value));
    }
}

enum class Need : unsigned char { Optional, Required };

/// An argument that is a field.
template <class T, class M>
ArgumentRule arg(std::string_view name, M T::* member, Need need = Need::Optional) {
    return {
        name,
        [member](void* target, const hcl::BodyAttribute& from, Decoder& d) {
            d.assign(from, static_cast<T*>(target)->*member);
        },
        need == Need::Required
    };
}

/// A map that may be written as argument or as block.
template <class T, class M>
void add_map(Rules& rules, std::string_view name, M T::* member) {
    rules.arguments.push_back(arg(name, member));
    rules.blocks.push_back(
        {name,
         {},
         Times::Many,
         [member](void* target, const hcl::BodyBlock& from, Decoder& d) {
             d.map_block(from.body, static_cast<T*>(target)->*member);
         }}
    );
}

/// A block held in a Box, read by rules.
template <class T, class U>
BlockRule block(std::string_view type, Box<U> T::* member, const Rules& (*rules)()) {
    return {
        type,
        {},
        Times::Once,
        [member, rules](void* target, const hcl::BodyBlock& from, Decoder& d) {
            U value{};
            d.read(rules(), &value, from.body);
            static_cast<T*>(target)->*member = Box<U>(std::move(value));
        },
        rules
    };
}

/// Blocks of one type held in a vector.
template <class T, class U>
BlockRule blocks(std::string_view type, std::vector<U> T::* member, const Rules& (*rules)()) {
    return {
        type,
        {},
        Times::Many,
        [member, rules](void* target, const hcl::BodyBlock& from, Decoder& d) {
            U value{};
            d.read(rules(), &value, from.body);
            (static_cast<T*>(target)->*member).push_back(std::move(value));
        },
        rules
    };
}

/// The same with one label that goes into `label`.
template <class T, class U, class L>
BlockRule labelled(
    std::string_view type,
    std::string_view label_name,
    std::vector<U> T::* member,
    L U::* label,
    const Rules& (*rules)()
) {
    return {
        type,
        {label_name},
        Times::Many,
        [member, label, rules](void* target, const hcl::BodyBlock& from, Decoder& d) {
            U value{};
            value.*label = from.labels.at(0);
            d.read(rules(), &value, from.body);
            (static_cast<T*>(target)->*member).push_back(std::move(value));
        },
        rules
    };
}

/// A block without a schema.
template <class T>
BlockRule free_block(std::string_view type, ValueMap T::* member) {
    return {type, {}, Times::Once, [member](void* target, const hcl::BodyBlock& from, Decoder& d) {
                static_cast<T*>(target)->*member = d.free_form(from.body);
            }};
}

const Rules& job_rules();
const Rules& group_rules();
const Rules& task_rules();
const Rules& constraint_rules();
const Rules& affinity_rules();
const Rules& spread_rules();
const Rules& network_rules();
const Rules& resources_rules();
const Rules& log_rules();
const Rules& identity_rules();
const Rules& volume_mount_rules();
const Rules& vault_rules();
const Rules& secret_rules();
const Rules& consul_rules();
const Rules& restart_rules();
const Rules& scaling_rules();
const Rules& service_rules();

void read_constraint(std::vector<model::Constraint>& to, const hcl::BodyBlock& from, Decoder& d);
void read_affinity(std::vector<model::AffinitySpec>& to, const hcl::BodyBlock& from, Decoder& d);
void read_vault(Box<model::VaultSpec>& to, const hcl::BodyBlock& from, Decoder& d);

template <class T>
void add_placement(Rules& rules, bool with_spread) {
    rules.blocks.push_back(
        {"constraint",
         {},
         Times::Many,
         [](void* t, const hcl::BodyBlock& b, Decoder& d) {
             read_constraint(static_cast<T*>(t)->constraints, b, d);
         },
         &constraint_rules}
    );
    rules.blocks.push_back(
        {"affinity",
         {},
         Times::Many,
         [](void* t, const hcl::BodyBlock& b, Decoder& d) {
             read_affinity(static_cast<T*>(t)->affinities, b, d);
         },
         &affinity_rules}
    );
    if constexpr (requires(T t) { t.spreads; }) {
        if (with_spread) {
            rules.blocks.push_back(blocks("spread", &T::spreads, &spread_rules));
        }
    }
}

}  // namespace nl::jobspec

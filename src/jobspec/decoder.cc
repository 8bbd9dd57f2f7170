#include "jobspec/decoder.h"

#include <algorithm>
#include <map>

namespace nl::jobspec {

using hcl::BodyAttribute;
using hcl::BodyBlock;
using hcl::Kind;
using hcl::Type;

namespace {

constexpr std::string_view kUnsuitable = "Unsuitable value type";

template <class List, class Name>
std::vector<std::string_view> names_of(const List& list, Name name) {
    std::vector<std::string_view> all;
    for (const auto& item : list) {
        all.push_back(item.*name);
    }
    return all;
}

}  // namespace

void Decoder::refuse_argument(const Rules& rules, const BodyAttribute& a) {
    const auto block = std::ranges::find(rules.blocks, a.name, &BlockRule::type);
    std::string advice;
    if (block != rules.blocks.end()) {
        advice = fmt::format(" Did you mean to define a block of type \"{}\"?", a.name);
    } else if (const auto near =
                   hcl::nearest_name(a.name, names_of(rules.arguments, &ArgumentRule::name));
               !near.empty()) {
        advice = fmt::format(" Did you mean \"{}\"?", near);
    }
    error(
        "Unsupported argument",
        fmt::format("An argument named \"{}\" is not expected here.{}", a.name, advice),
        a.name_range
    );
}

void Decoder::refuse_block(const Rules& rules, const BodyBlock& b) {
    const auto argument = std::ranges::find(rules.arguments, b.type, &ArgumentRule::name);
    std::string advice;
    if (argument != rules.arguments.end()) {
        advice = fmt::format(
            " Did you mean to define argument \"{}\"? If so, use the equals sign to assign it a "
            "value.",
            b.type
        );
    } else if (const auto near =
                   hcl::nearest_name(b.type, names_of(rules.blocks, &BlockRule::type));
               !near.empty()) {
        advice = fmt::format(" Did you mean \"{}\"?", near);
    }
    error(
        "Unsupported block type",
        fmt::format("Blocks of type \"{}\" are not expected here.{}", b.type, advice),
        b.type_range
    );
}

bool Decoder::labels_fit(const BlockRule& rule, const BodyBlock& block) {
    if (block.labels.size() > rule.labels.size()) {
        error(
            fmt::format("Extraneous label for {}", rule.type),
            rule.labels.empty() ? fmt::format("No labels are expected for {} blocks.", rule.type)
                                : fmt::format(
                                      "Only {} labels ({}) are expected for {} blocks.",
                                      rule.labels.size(),
                                      fmt::join(rule.labels, ", "),
                                      rule.type
                                  ),
            block.label_ranges[rule.labels.size()]
        );
        return false;
    }
    if (block.labels.size() < rule.labels.size()) {
        error(
            fmt::format("Missing {} for {}", rule.labels[block.labels.size()], rule.type),
            fmt::format(
                "All {} blocks must have {} labels ({}).",
                rule.type,
                rule.labels.size(),
                fmt::join(rule.labels, ", ")
            ),
            block.open_range
        );
        return false;
    }
    return true;
}

void Decoder::read(const Rules& rules, void* target, const hcl::BodyView& body) {
    std::vector<hcl::BlockShape> shapes;
    shapes.reserve(rules.blocks.size());
    for (const BlockRule& rule : rules.blocks) {
        const bool either =
            body.is_json() && std::ranges::find(rules.arguments, rule.type, &ArgumentRule::name) !=
                                  rules.arguments.end();
        shapes.push_back({rule.type, rule.labels.size(), either});
    }
    const hcl::BodyContent content = body.read(shapes, context_, diagnostics_, made_);

    std::vector<std::pair<const ArgumentRule*, const BodyAttribute*>> arguments;
    for (const BodyAttribute& a : content.attributes) {
        const auto rule = std::ranges::find(rules.arguments, a.name, &ArgumentRule::name);
        if (rule == rules.arguments.end()) {
            refuse_argument(rules, a);
        } else {
            arguments.emplace_back(&*rule, &a);
        }
    }
    for (const ArgumentRule& rule : rules.arguments) {
        if (rule.required &&
            std::ranges::find(content.attributes, rule.name, &BodyAttribute::name) ==
                content.attributes.end()) {
            error(
                "Missing required argument",
                fmt::format(
                    "The argument \"{}\" is required, but no definition was found.", rule.name
                ),
                content.missing_range
            );
        }
    }
    std::vector<std::pair<const BlockRule*, const BodyBlock*>> found;
    std::map<std::string_view, const BodyBlock*> seen;
    for (const BodyBlock& b : content.blocks) {
        const auto rule = std::ranges::find(rules.blocks, b.type, &BlockRule::type);
        if (rule == rules.blocks.end()) {
            refuse_block(rules, b);
            continue;
        }
        if (!labels_fit(*rule, b)) {
            continue;
        }
        if (rule->times == Times::Once) {
            const auto [first, fresh] = seen.emplace(rule->type, &b);
            if (!fresh) {
                error(
                    fmt::format("Duplicate {} block", b.type),
                    fmt::format(
                        "Only one {} block is allowed. Another was defined at {}.",
                        b.type,
                        to_string(first->second->header_range, names_)
                    ),
                    b.header_range
                );
                continue;
            }
        }
        found.emplace_back(&*rule, &b);
    }
    for (const auto& [rule, attribute] : arguments) {
        rule->set(target, *attribute, *this);
    }
    for (const auto& [rule, from] : found) {
        rule->read(target, *from, *this);
    }
}

std::optional<hcl::Value> Decoder::value_of(const BodyAttribute& from, const Type& type) {
    hcl::Value value = from.evaluate(context_, diagnostics_);
    if (type.is_primitive() && value.is_usable() && value.kind() == type.kind()) {
        return value;
    }
    auto converted = convert(value, type);
    if (!converted) {
        error(
            std::string(kUnsuitable),
            "Unsuitable value: " + converted.error().message,
            from.value_range
        );
        return std::nullopt;
    }
    if (!converted->is_wholly_known()) {
        error(std::string(kUnsuitable), "Unsuitable value: value must be known", from.value_range);
        return std::nullopt;
    }
    if (converted->is_null()) {
        return std::nullopt;
    }
    return std::move(*converted);
}

bool Decoder::assign(const BodyAttribute& from, std::string& to) {
    const auto v = value_of(from, Kind::String);
    if (!v) {
        return false;
    }
    to = v->as_string();
    return true;
}

bool Decoder::assign(const BodyAttribute& from, bool& to) {
    const auto v = value_of(from, Kind::Bool);
    if (!v) {
        return false;
    }
    to = v->as_bool();
    return true;
}

bool Decoder::assign(const BodyAttribute& from, std::int64_t& to) {
    const auto v = value_of(from, Kind::Number);
    if (!v) {
        return false;
    }
    const auto whole = v->as_number().as_int();
    if (!whole) {
        error(
            std::string(kUnsuitable),
            "Unsuitable value: value must be a whole number, between -9223372036854775808 and "
            "9223372036854775807",
            from.value_range
        );
        return false;
    }
    to = *whole;
    return true;
}

bool Decoder::assign(const BodyAttribute& from, Duration& to) {
    const auto v = value_of(from, {});
    if (!v) {
        return false;
    }
    const auto refuse = [&](std::string_view why) {
        error(
            std::string(kUnsuitable),
            fmt::format("Unsuitable duration value: {}", why),
            from.value_range
        );
        return false;
    };
    if (v->kind() == Kind::Number) {
        const auto ns = v->as_number().as_int();
        if (!ns) {
            return refuse("a whole number of nanoseconds is required");
        }
        to = Duration{*ns};
        return true;
    }
    if (v->kind() != Kind::String) {
        error(
            std::string(kUnsuitable),
            "Unsuitable value: expected a string but found " + v->type().friendly(),
            from.value_range
        );
        return false;
    }
    const auto duration = parse_duration(v->as_string());
    if (!duration) {
        return refuse(duration.error().message);
    }
    to = *duration;
    return true;
}

bool Decoder::assign(const BodyAttribute& from, std::vector<std::string>& to) {
    const auto v = value_of(from, Type::list(Kind::String));
    if (!v) {
        return false;
    }
    to.clear();
    for (const hcl::Value& item : v->items()) {
        to.push_back(item.is_null() ? "" : item.as_string());
    }
    return true;
}

bool Decoder::assign(const BodyAttribute& from, std::vector<std::int64_t>& to) {
    const auto v = value_of(from, Type::list(Kind::Number));
    if (!v) {
        return false;
    }
    std::vector<std::int64_t> numbers;
    for (const hcl::Value& item : v->items()) {
        const auto whole = item.is_null() ? std::nullopt : item.as_number().as_int();
        if (!whole) {
            error(
                std::string(kUnsuitable),
                "Unsuitable value: whole numbers are required",
                from.value_range
            );
            return false;
        }
        numbers.push_back(*whole);
    }
    to = std::move(numbers);
    return true;
}

bool Decoder::assign(const BodyAttribute& from, StringMap& to) {
    const auto v = value_of(from, Type::map(Kind::String));
    if (!v) {
        return false;
    }
    for (const auto& [key, item] : v->attributes()) {
        to.insert_or_assign(key, item.is_null() ? "" : item.as_string());
    }
    return true;
}

bool Decoder::assign(const BodyAttribute& from, Map<std::vector<std::string>>& to) {
    const auto v = value_of(from, Type::map(Type::list(Kind::String)));
    if (!v) {
        return false;
    }
    for (const auto& [key, list] : v->attributes()) {
        auto& items = to[key];
        items.clear();
        if (!list.is_null()) {
            for (const hcl::Value& item : list.items()) {
                items.push_back(item.is_null() ? "" : item.as_string());
            }
        }
    }
    return true;
}

ValueMap Decoder::free_form(const hcl::BodyView& body) {
    ValueMap out;
    const hcl::BodyContent content = body.read({}, context_, diagnostics_, made_);
    for (const BodyAttribute& a : content.attributes) {
        const auto v = a.evaluate(context_, diagnostics_);
        if (!v.is_wholly_known()) {
            error(std::string(kUnsuitable), "Unsuitable value: value must be known", a.value_range);
            continue;
        }
        nl::Value plain = to_plain(v);
        // A map written out is a list of one map, as blocks are.
        if (a.is_object_literal() && !body.is_json()) {
            plain = nl::Value::List{std::move(plain)};
        }
        out.insert_or_assign(a.name, std::move(plain));
    }
    for (const BodyBlock& b : content.blocks) {
        nl::Value inner = free_form(b.body);
        for (auto label = b.labels.rbegin(); label != b.labels.rend(); ++label) {
            nl::Value::Map outer;
            outer.emplace(*label, nl::Value::List{std::move(inner)});
            inner = std::move(outer);
        }
        nl::Value& slot = out[b.type];
        if (slot.as_list() == nullptr) {
            slot = nl::Value::List{};
        }
        slot.as_list()->push_back(std::move(inner));
    }
    return out;
}

}  // namespace nl::jobspec

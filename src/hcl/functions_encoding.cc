#include "base/bytes.h"
#include "hcl/internal/function_groups.h"
#include "hcl/json.h"
#include "hcl/text.h"

#include <algorithm>

namespace nl::hcl::internal {
namespace {

FunctionResult from_base64(Arguments a, FunctionEnvironment&) {
    auto bytes = base64_decode(a[0].as_string());
    if (!bytes) {
        return wrong(fmt::format("failed to decode base64 data '{}'", a[0].as_string()));
    }
    if (!is_utf8(*bytes)) {
        return wrong("the result of decoding the the provided string is not valid UTF-8");
    }
    return Value::string(*bytes);
}

/// Fields of one CSV record (RFC 4180); advances over it. An error says what is wrong with a quote.
std::expected<std::vector<std::string>, std::string_view> csv_record(std::string_view& text) {
    constexpr std::string_view kQuoted = "extraneous or missing \" in quoted-field";
    std::vector<std::string> fields(1);
    std::size_t i = 0;
    bool quoted = false;
    bool field_start = true;
    for (; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
                fields.back() += '"';
                ++i;
            } else if (c == '"') {
                quoted = false;
                // The field ends with its quotes.
                const std::string_view rest = text.substr(i + 1);
                if (!rest.empty() && rest[0] != ',' && rest[0] != '\n' &&
                    !rest.starts_with("\r\n")) {
                    return std::unexpected(kQuoted);
                }
            } else {
                fields.back() += c;
            }
            continue;
        }
        if (c == '"' && field_start) {
            quoted = true;
            field_start = false;
        } else if (c == '"') {
            return std::unexpected("bare \" in non-quoted-field");
        } else if (c == ',') {
            fields.emplace_back();
            field_start = true;
        } else if (c == '\n') {
            ++i;
            break;
        } else if (!(c == '\r' && i + 1 < text.size() && text[i + 1] == '\n')) {
            fields.back() += c;
            field_start = false;
        }
    }
    if (quoted) {
        return std::unexpected(kQuoted);
    }
    text.remove_prefix(i);
    return fields;
}

FunctionResult from_csv(Arguments a, FunctionEnvironment&) {
    std::string_view rest = a[0].as_string();
    const auto refuse = [&](std::string_view why) {
        const std::string_view read(a[0].as_string().data(), a[0].as_string().size() - rest.size());
        return wrong(fmt::format(
            "CSV parse error on line {}: {}", std::ranges::count(read, '\n') + 1, why
        ));
    };
    const auto skip_blank = [&] {
        while (rest.starts_with('\n') || rest.starts_with("\r\n")) {
            rest.remove_prefix(rest[0] == '\n' ? 1 : 2);
        }
    };
    skip_blank();
    if (rest.empty()) {
        return wrong("missing header line");
    }
    const auto header = csv_record(rest);
    if (!header) {
        return refuse(header.error());
    }
    for (std::size_t i = 0; i < header->size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if ((*header)[i] == (*header)[j]) {
                return wrong(fmt::format("duplicate column name \"{}\"", (*header)[i]));
            }
        }
    }
    Value::Items rows;
    std::map<std::string, Type, std::less<>> types;
    for (const std::string& name : *header) {
        types.emplace(name, Kind::String);
    }
    while (skip_blank(), !rest.empty()) {
        const std::string_view begin = rest;
        const auto record = csv_record(rest);
        if (!record) {
            return refuse(record.error());
        }
        if (record->size() != header->size()) {
            rest = begin;
            return refuse("wrong number of fields");
        }
        Value::Attributes row;
        for (std::size_t i = 0; i < record->size(); ++i) {
            row.insert_or_assign((*header)[i], Value::string((*record)[i]));
        }
        rows.push_back(Value::object(std::move(row)));
    }
    return Value::list(Type::object(std::move(types)), std::move(rows));
}

}  // namespace

void add_encoding_functions(FunctionTable& table) {
    const Parameter str{.name = "str", .type = Kind::String};
    table["base64encode"] = {
        .parameters = {str},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            return Value::string(base64_encode(a[0].as_string()));
        }
    };
    table["base64decode"] = {.parameters = {str}, .call = from_base64};
    table["urlencode"] = {
        .parameters = {str},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            std::string out;
            for (const char c : a[0].as_string()) {
                const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                   (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
                                   c == '~';
                if (plain) {
                    out += c;
                } else if (c == ' ') {
                    out += '+';
                } else {
                    out += fmt::format(
                        "%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c))
                    );
                }
            }
            return Value::string(out);
        }
    };
    table["csvdecode"] = {.parameters = {str}, .call = from_csv};
    table["jsonencode"] = {
        .parameters = {{.name = "val", .type = {}, .allow_null = true}},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            std::string out;
            append_json(out, a[0]);
            return Value::string(out);
        }
    };
    table["jsondecode"] = {
        .parameters = {str},
        .call = [](Arguments a, FunctionEnvironment&) -> FunctionResult {
            Diagnostics diagnostics;
            const auto node = parse_json(a[0].as_string(), 0, diagnostics);
            if (!node) {
                const Diagnostic& d = diagnostics.items().front();
                std::string_view why = d.detail;
                if (why.ends_with('.')) {
                    why.remove_suffix(1);
                }
                return wrong(fmt::format(
                    "invalid JSON at line {}, column {}: {}",
                    d.subject.start.line,
                    d.subject.start.column,
                    why
                ));
            }
            return to_value(*node);
        }
    };
}

}  // namespace nl::hcl::internal

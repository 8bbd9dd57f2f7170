#pragma once
// How the function table is put together: each group of functions adds its own.

#include "hcl/functions.h"

#include <fmt/format.h>

namespace nl::hcl::internal {

using Arguments = std::span<const Value>;

inline std::unexpected<FunctionError> wrong(std::string message, int argument = -1) {
    return std::unexpected(FunctionError{argument, std::move(message)});
}

/// What a number is told where a whole one is asked for.
inline constexpr std::string_view kWhole =
    "value must be a whole number, between -9223372036854775808 and 9223372036854775807";

inline std::unexpected<FunctionError> not_whole(std::string_view what = "", int argument = -1) {
    return wrong(fmt::format("{}{}", what, kWhole), argument);
}

/// `month` from 1 to 12.
constexpr int days_in_month(int year, int month) {
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 ? (leap ? 29 : 28) : (month == 4 || month == 6 || month == 9 || month == 11)
                                               ? 30
                                               : 31;
}

void add_number_functions(FunctionTable& table);
void add_text_functions(FunctionTable& table);
void add_format_functions(FunctionTable& table);
void add_collection_functions(FunctionTable& table);
void add_encoding_functions(FunctionTable& table);
void add_yaml_functions(FunctionTable& table);
void add_crypto_functions(FunctionTable& table);
void add_network_functions(FunctionTable& table);
void add_time_functions(FunctionTable& table);
void add_file_functions(FunctionTable& table);
void add_regex_functions(FunctionTable& table);

}  // namespace nl::hcl::internal

#pragma once
// How the function table is put together: each group of functions adds its own.

#include "hcl/functions.h"

#include <fmt/format.h>

namespace nl::hcl::internal {

using Arguments = std::span<const Value>;

inline std::unexpected<FunctionError> wrong(std::string message, int argument = -1) {
    return std::unexpected(FunctionError{argument, std::move(message)});
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

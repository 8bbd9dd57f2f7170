#include "hcl/functions.h"

#include "hcl/internal/function_groups.h"

namespace nl::hcl {

FunctionTable standard_functions() {
    FunctionTable table;
    internal::add_number_functions(table);
    internal::add_text_functions(table);
    internal::add_format_functions(table);
    internal::add_collection_functions(table);
    internal::add_encoding_functions(table);
    internal::add_yaml_functions(table);
    internal::add_crypto_functions(table);
    internal::add_network_functions(table);
    internal::add_time_functions(table);
    internal::add_file_functions(table);
    internal::add_regex_functions(table);
    return table;
}

}  // namespace nl::hcl

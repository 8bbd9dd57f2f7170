#pragma once
// The functions that consul-template gives a template beyond Go's own, without those that need
// Consul or Vault, and Sprig's under their names with "sprig_". What they ask of the world comes in
// through TemplateWorld; a world that has not got something yet says so, and the template is
// rendered again when it has. Source: job specification, section 7; the documentation of
// consul-template and of Sprig.

#include "base/time.h"
#include "base/value.h"
#include "expr/template.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

namespace nl::expr {

struct TemplateWorld {
    /// The task's environment: all that `env` sees.
    const StringMap* env{};
    /// nullopt: not known yet. Errors become those of the template.
    template <class T>
    using Maybe = std::optional<Result<T>>;
    std::function<Maybe<std::string>(const std::string& path)> file;
    /// Of a variable: nullopt while it is not known or is not there (the template waits for it).
    std::function<Maybe<Dyn>(const std::string& path)> variable;
    std::function<Maybe<bool>(const std::string& path)> variable_exists;
    /// Metadata of those with a prefix.
    std::function<Maybe<DynList>(const std::string& prefix)> variable_list;
    std::function<Maybe<DynList>(const std::string& name)> service;
    std::function<Maybe<DynList>()> services;
    std::function<Result<std::string>(const std::string& ref)> secret;
    WallTime now;
    /// For random strings and identifiers.
    std::function<std::uint64_t()> entropy;
    std::set<std::string> denied{"executeTemplate", "plugin", "writeToFile"};
    /// Node address for sockaddr-like functions; "" for none.
    std::string private_ip;
};

/// `world` is kept by reference and must outlive the functions.
TemplateFunctions template_functions(const TemplateWorld& world);
/// The pure ones alone, for the command line's -t: strings, mathematics, data formats.
TemplateFunctions pure_template_functions();

// Internal to template_functions*.cc.
void add_sprig_functions(TemplateFunctions& functions, const TemplateWorld& world);
void add_data_functions(TemplateFunctions& functions);
/// name: sha1, sha256, sha512, md5; raw bytes.
std::string template_digest(std::string_view name, std::string_view data);
std::string template_hmac_sha256(std::string_view key, std::string_view data);
Result<bool> regex_matches(const std::string& pattern, const std::string& text);
Result<std::string> regex_replace(
    const std::string& pattern, const std::string& by, const std::string& text, bool literal
);
Result<std::vector<std::string>> regex_find_all(
    const std::string& pattern, const std::string& text, std::int64_t most
);
Result<std::vector<std::string>> regex_split(
    const std::string& pattern, const std::string& text, std::int64_t most
);
std::string regex_quote(const std::string& text);
Result<Dyn> parse_json(std::string_view text);
std::string to_json(const Dyn& value, bool pretty, bool escape_html);
Result<Dyn> parse_yaml(const std::string& text);
std::string to_yaml(const Dyn& value);
Result<std::string> to_toml(const Dyn& value);
/// As Go's `as number`: text, floats and booleans become integers.
std::int64_t to_int(const Dyn& value);
double to_float(const Dyn& value);

}  // namespace nl::expr

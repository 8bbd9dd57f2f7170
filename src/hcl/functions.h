#pragma once
// The functions job files may call. They are pure: the time, entropy and files they need come in
// through FunctionEnvironment. `try`, `can` and `convert` look at expressions and live in the
// evaluator. Source: Nomad jobspec reference, section 1.3.

#include "base/time.h"
#include "hcl/value.h"

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nl::hcl {

/// Files as the command line has them. A server hands in none: file functions are then refused.
class FileAccess {
public:
    virtual ~FileAccess() = default;
    virtual Result<std::string> read(std::string_view path) const = 0;
    virtual Result<bool> exists(std::string_view path) const = 0;
    /// Paths below `directory` that match the pattern, sorted, relative to it.
    virtual Result<std::vector<std::string>> match(
        std::string_view directory, std::string_view pattern
    ) const = 0;
    virtual std::string working_directory() const = 0;
    virtual std::string home_directory() const = 0;
};

struct FunctionEnvironment {
    WallTime now;
    /// Fills with unpredictable bytes; without it the functions that need them are refused.
    std::function<void(std::span<std::uint8_t>)> entropy;
    const FileAccess* files{nullptr};
};

struct FunctionError {
    /// Which argument is to blame; -1 for the call as a whole.
    int argument{-1};
    std::string message;
};
using FunctionResult = std::expected<Value, FunctionError>;

struct Parameter {
    std::string_view name;
    Type type;
    bool allow_null{false};
    bool allow_unknown{false};
};

struct Function {
    std::vector<Parameter> parameters;
    /// What stands after the parameters, any number of times.
    std::optional<Parameter> rest;
    FunctionResult (*call)(std::span<const Value> arguments, FunctionEnvironment& environment);
};

using FunctionTable = std::map<std::string_view, Function, std::less<>>;

FunctionTable standard_functions();

/// Elements one call of range, setproduct and the like may make.
inline constexpr std::size_t kMaxFunctionElements = 100'000;

}  // namespace nl::hcl

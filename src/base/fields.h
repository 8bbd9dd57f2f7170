#pragma once
// One field list per struct, from which JSON, the binary form, differences, filters and the
// reference page are made.
//
//     template <template <class> class F>             // F: Opt as written by a user, Set once
//     defaults are in struct RestartPolicyOf {
//         F<std::int64_t> attempts{};  F<Duration> interval{};
//         NL_FIELDS(RestartPolicyOf, (1, attempts), (2, interval))
//     };
//     struct Node { Uuid id; std::string name;  NL_FIELDS(Node, (1, id), (2, name)) };
//
// Numbers are for ever: a field that goes leaves a gap, a new one takes a new number. Field names
// are snake_case of Nomad's Go name; how a name is spelt in JSON is wire's business (wire/names.h),
// in HCL jobspec's.
//
// `visit_fields(object, visitor)` calls `visitor(FieldInfo, member)` for each field in order;
// `fields_of<T>()` lists the FieldInfo.

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace nl {

/// As written: a scalar may be missing.
template <class T>
using Opt = std::optional<T>;
/// As scheduled: every scalar has its value.
template <class T>
using Set = T;

struct FieldInfo {
    int number;
    std::string_view name;
};

template <class T>
concept HasFields = requires { T::kNlTypeName; };

/// A nullable nested object. Copyable by value; equality compares what is held. Kept on the heap so
/// that a struct with many rare blocks stays small.
template <class T>
class Box {
public:
    Box() = default;
    Box(T value) : held_(new T(std::move(value))) {}  // NOLINT(google-explicit-constructor)
    Box(const Box& other) : held_(other.held_ != nullptr ? new T(*other.held_) : nullptr) {}
    Box(Box&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
    Box& operator=(const Box& other) {
        if (this != &other) {
            Box copy(other);
            std::swap(held_, copy.held_);
        }
        return *this;
    }
    Box& operator=(Box&& other) noexcept {
        std::swap(held_, other.held_);
        return *this;
    }
    ~Box() { delete held_; }

    explicit operator bool() const { return held_ != nullptr; }
    bool has_value() const { return held_ != nullptr; }
    T& operator*() { return *held_; }
    const T& operator*() const { return *held_; }
    T* operator->() { return held_; }
    const T* operator->() const { return held_; }
    const T* get() const { return held_; }
    T* get() { return held_; }
    void reset() { *this = Box(); }
    template <class... Args>
    T& emplace(Args&&... args) {
        *this = Box(T{std::forward<Args>(args)...});
        return *held_;
    }
    /// The held value, made with its defaults if there is none.
    T& ensure() { return held_ != nullptr ? *held_ : emplace(); }

    friend bool operator==(const Box& a, const Box& b) {
        return a.held_ == b.held_ ||
               (a.held_ != nullptr && b.held_ != nullptr && *a.held_ == *b.held_);
    }

private:
    T* held_ = nullptr;
};

namespace detail {
/// "RestartPolicyOf" names the noun RestartPolicy.
constexpr std::string_view noun(std::string_view class_name) {
    return class_name.ends_with("Of") ? class_name.substr(0, class_name.size() - 2) : class_name;
}
template <class T>
struct IsBox : std::false_type {};
template <class T>
struct IsBox<Box<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsStringMap : std::false_type {};
template <class T>
struct IsStringMap<std::map<std::string, T, std::less<>>> : std::true_type {};
}  // namespace detail

template <class T>
inline constexpr bool kIsBox = detail::IsBox<T>::value;
template <class T>
inline constexpr bool kIsOptional = detail::IsOptional<T>::value;
template <class T>
inline constexpr bool kIsVector = detail::IsVector<T>::value;
template <class T>
inline constexpr bool kIsStringMap = detail::IsStringMap<T>::value;

template <class T, class Visitor>
    requires HasFields<std::remove_const_t<T>>
constexpr void visit_fields(T& object, Visitor&& visitor) {
    std::remove_const_t<T>::nl_visit(object, visitor);
}

}  // namespace nl

// Preprocessor loop over (number, name) pairs; __VA_OPT__ with deferred recursion (four rescans are
// enough for 256 fields).
#define NL_PARENS ()
#define NL_EXPAND(...) NL_EXPAND3(NL_EXPAND3(NL_EXPAND3(NL_EXPAND3(__VA_ARGS__))))
#define NL_EXPAND3(...) NL_EXPAND2(NL_EXPAND2(NL_EXPAND2(NL_EXPAND2(__VA_ARGS__))))
#define NL_EXPAND2(...) NL_EXPAND1(NL_EXPAND1(NL_EXPAND1(NL_EXPAND1(__VA_ARGS__))))
#define NL_EXPAND1(...) __VA_ARGS__
#define NL_FOR_EACH(macro, ...) __VA_OPT__(NL_EXPAND(NL_FOR_EACH_STEP(macro, __VA_ARGS__)))
#define NL_FOR_EACH_STEP(macro, first, ...) \
    macro first __VA_OPT__(NL_FOR_EACH_AGAIN NL_PARENS(macro, __VA_ARGS__))
#define NL_FOR_EACH_AGAIN() NL_FOR_EACH_STEP

#define NL_FIELD_VISIT(number, member) visitor(::nl::FieldInfo{number, #member}, object.member);

/// Declares the field list of the enclosing struct (its own name comes first), and memberwise
/// equality.
#define NL_FIELDS(ClassName, ...)                                                   \
    static constexpr std::string_view kNlTypeName = ::nl::detail::noun(#ClassName); \
    friend bool operator==(const ClassName&, const ClassName&) = default;           \
    template <class NlSelf, class NlVisitor>                                        \
    static constexpr void nl_visit(NlSelf& object, NlVisitor& visitor) {            \
        static_cast<void>(object);                                                  \
        static_cast<void>(visitor);                                                 \
        NL_FOR_EACH(NL_FIELD_VISIT, __VA_ARGS__)                                    \
    }

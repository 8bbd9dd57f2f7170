#pragma once
// HCL's numbers: binary floating point with 512 bits of mantissa. Small whole numbers, which nearly
// all are, stay machine integers; the rest is kept behind a pointer and computed in one adapter of
// Boost.Multiprecision. Values are immutable.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace nl::hcl {

class Number {
public:
    struct Big;

    Number() = default;
    Number(std::int64_t v) : small_(v) {}  // NOLINT(google-explicit-constructor)
    static Number from_double(double v);
    /// Decimal text with optional sign, fraction and exponent; nullopt for anything else and for
    /// magnitudes beyond kMaxExponent.
    static std::optional<Number> parse(std::string_view text);
    /// Whole number in a base from 2 to 62, optionally signed.
    static std::optional<Number> parse_whole(std::string_view text, int base);

    bool is_whole() const;
    /// The value if it is whole and fits.
    std::optional<std::int64_t> as_int() const;
    double as_double() const;
    /// Shortest decimal text that reads back to the same value, never with an exponent.
    std::string str() const;
    /// In base 2 to 36, of the whole part.
    std::string str_in_base(int base) const;
    /// As C's %e, %g and the like; `verb` is one of e E f g G.
    std::string formatted(char verb, std::optional<int> precision) const;

    int sign() const;
    Number negated() const;
    Number floor() const;
    Number ceil() const;

    friend Number operator+(const Number& a, const Number& b);
    friend Number operator-(const Number& a, const Number& b);
    friend Number operator*(const Number& a, const Number& b);
    /// The divisor must not be zero.
    friend Number divide(const Number& a, const Number& b);
    /// What is left of a division rounded toward zero; the divisor must not be zero.
    friend Number remainder(const Number& a, const Number& b);
    /// nullopt where the result is no finite number.
    static std::optional<Number> power(const Number& base, const Number& exponent);
    static std::optional<Number> logarithm(const Number& value, const Number& base);
    friend int compare(const Number& a, const Number& b);
    friend bool operator==(const Number& a, const Number& b) { return compare(a, b) == 0; }

private:
    explicit Number(std::shared_ptr<const Big> big) : big_(std::move(big)) {}
    static Number made(Big&& big);
    Big grown() const;

    std::int64_t small_{0};
    std::shared_ptr<const Big> big_;
};

Number divide(const Number& a, const Number& b);
Number remainder(const Number& a, const Number& b);
int compare(const Number& a, const Number& b);

/// Decimal exponents beyond this are refused: their text would be of that length.
inline constexpr int kMaxExponent = 4096;

}  // namespace nl::hcl

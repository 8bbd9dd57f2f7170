#include "base/check.h"
#include "hcl/number.h"

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace nl::hcl {
namespace mp = boost::multiprecision;

namespace {
using Float = mp::number<
    mp::backends::
        cpp_bin_float<512, mp::backends::digit_base_2, void, std::int32_t, -1'000'000, 1'000'000>,
    mp::et_off>;
// Decimal digits that tell any two 512-bit numbers apart.
constexpr int kMaxDigits = 156;
}  // namespace

struct Number::Big {
    Float value;
};

Number Number::made(Big&& big) {
    const Float& v = big.value;
    // Numbers that fit come back to the small form, so that one value has one form.
    static constexpr double kEdge = 9.2e18;
    if (mp::abs(v) < kEdge && mp::trunc(v) == v) {
        return {v.convert_to<std::int64_t>()};
    }
    return Number(std::make_shared<const Big>(std::move(big)));
}

Number::Big Number::grown() const {
    return big_ != nullptr ? *big_ : Big{Float(small_)};
}

Number Number::from_double(double v) {
    NL_ASSERT(std::isfinite(v));
    return made(Big{Float(v)});
}

std::optional<Number> Number::parse(std::string_view text) {
    std::size_t i = 0;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) {
        ++i;
    }
    const auto digits = [&] {
        const std::size_t from = i;
        while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
            ++i;
        }
        return i - from;
    };
    // Longer literals are nobody's number; what a number is written as is never longer.
    constexpr std::size_t kMaxText = std::size_t{kMaxExponent} + 2000;
    const std::size_t whole = digits();
    std::size_t fraction = 0;
    bool plain = true;
    if (i < text.size() && text[i] == '.') {
        ++i;
        fraction = digits();
        plain = false;
    }
    if (whole + fraction == 0 || text.size() > kMaxText) {
        return std::nullopt;
    }
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
        ++i;
        if (i < text.size() && (text[i] == '-' || text[i] == '+')) {
            ++i;
        }
        const std::size_t from = i;
        const std::size_t length = digits();
        int exponent = 0;
        const auto parsed = std::from_chars(text.data() + from, text.data() + i, exponent);
        if (length == 0 || parsed.ec != std::errc{} || exponent > kMaxExponent) {
            return std::nullopt;
        }
        constexpr std::size_t kSignAndPoint = 4;
        if (whole + fraction + static_cast<std::size_t>(exponent) + kSignAndPoint > kMaxText) {
            return std::nullopt;
        }
        plain = false;
    }
    if (i != text.size()) {
        return std::nullopt;
    }
    constexpr std::size_t kSafeDigits = 18;
    if (plain && whole <= kSafeDigits) {
        std::int64_t value = 0;
        const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
        std::from_chars(begin, text.data() + text.size(), value);
        return Number(value);
    }
    return made(Big{Float(std::string(text))});
}

std::optional<Number> Number::parse_whole(std::string_view text, int base) {
    bool negative = false;
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
        negative = text[0] == '-';
        text.remove_prefix(1);
    }
    constexpr std::size_t kMaxText = 600;
    if (text.empty() || text.size() > kMaxText) {
        return std::nullopt;
    }
    Float value = 0;
    for (const char c : text) {
        int digit = 99;
        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if (c >= 'a' && c <= 'z') {
            digit = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'Z') {
            digit = c - 'A' + (base <= 36 ? 10 : 36);
        }
        if (digit >= base) {
            return std::nullopt;
        }
        value = value * base + digit;
    }
    return made(Big{negative ? Float(-value) : value});
}

bool Number::is_whole() const {
    return big_ == nullptr || mp::trunc(big_->value) == big_->value;
}

std::optional<std::int64_t> Number::as_int() const {
    if (big_ == nullptr) {
        return small_;
    }
    const Float low(std::numeric_limits<std::int64_t>::min());
    const Float high(std::numeric_limits<std::int64_t>::max());
    if (!is_whole() || big_->value < low || big_->value > high) {
        return std::nullopt;
    }
    return big_->value.convert_to<std::int64_t>();
}

double Number::as_double() const {
    return big_ == nullptr ? static_cast<double>(small_) : big_->value.convert_to<double>();
}

namespace {

/// `digits` significant digits as plain decimal text without trailing zeros.
std::string plain_text(const Float& value, int digits) {
    std::string text = value.str(digits, std::ios_base::scientific);
    const bool negative = text[0] == '-';
    if (negative) {
        text.erase(0, 1);
    }
    const std::size_t e = text.find('e');
    int exponent = 0;
    const char* from = text.data() + e + 1;
    if (*from == '+') {
        ++from;
    }
    std::from_chars(from, text.data() + text.size(), exponent);
    std::string mantissa = text.substr(0, e);
    std::erase(mantissa, '.');
    while (mantissa.size() > 1 && mantissa.back() == '0') {
        mantissa.pop_back();
    }
    std::string out;
    const int length = static_cast<int>(mantissa.size());
    if (exponent < 0) {
        out = "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + mantissa;
    } else if (exponent >= length - 1) {
        out = mantissa + std::string(static_cast<std::size_t>(exponent - length + 1), '0');
    } else {
        out = mantissa.substr(0, static_cast<std::size_t>(exponent) + 1) + "." +
              mantissa.substr(static_cast<std::size_t>(exponent) + 1);
    }
    return negative ? "-" + out : out;
}

}  // namespace

std::string Number::str() const {
    if (big_ == nullptr) {
        return std::to_string(small_);
    }
    int low = 1;
    int high = kMaxDigits;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (Float(big_->value.str(middle, std::ios_base::scientific)) == big_->value) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return plain_text(big_->value, low);
}

std::string Number::str_in_base(int base) const {
    Float rest = mp::trunc(grown().value);
    const bool negative = rest < 0;
    rest = mp::abs(rest);
    std::string out;
    do {
        const Float next = mp::floor(rest / base);
        const Float digit = rest - next * base;
        const int d = digit.convert_to<int>();
        out += static_cast<char>(d < 10 ? '0' + d : 'a' + d - 10);
        rest = next;
    } while (rest > 0);
    if (negative) {
        out += '-';
    }
    std::reverse(out.begin(), out.end());
    return out;
}

namespace {

/// Decimal text with an exponent where %g has one: below 1e-4 and from 1e6 on.
std::string general(const std::string& decimal, char letter) {
    constexpr int kLeast = -4;
    constexpr int kMost = 6;
    const std::size_t sign = decimal.starts_with('-') ? 1 : 0;
    const std::size_t point = std::min(decimal.find('.'), decimal.size());
    std::string digits = decimal.substr(sign);
    std::erase(digits, '.');
    const std::size_t first = digits.find_first_not_of('0');
    if (first == std::string::npos) {
        return decimal;
    }
    const int exponent = static_cast<int>(point - sign) - static_cast<int>(first) - 1;
    if (exponent >= kLeast && exponent < kMost) {
        return decimal;
    }
    digits = digits.substr(first, digits.find_last_not_of('0') + 1 - first);
    if (digits.size() > 1) {
        digits.insert(1, 1, '.');
    }
    return fmt::format(
        "{}{}{}{}{:02}",
        decimal.substr(0, sign),
        digits,
        letter,
        exponent < 0 ? '-' : '+',
        std::abs(exponent)
    );
}

}  // namespace

std::string Number::formatted(char verb, std::optional<int> precision) const {
    const int digits = precision.value_or(6);
    const double value = as_double();
    switch (verb) {
        case 'e':
            return precision ? fmt::format("{:.{}e}", value, digits) : fmt::format("{:e}", value);
        case 'E':
            return fmt::format("{:.{}E}", value, digits);
        case 'f':
        case 'F': {
            if (precision && *precision >= 0) {
                return grown().value.str(digits, std::ios_base::fixed);
            }
            return grown().value.str(6, std::ios_base::fixed);
        }
        default: {
            if (precision) {
                return fmt::format("{:.{}g}", value, digits);
            }
            return general(str(), verb == 'G' ? 'E' : 'e');
        }
    }
}

int Number::sign() const {
    if (big_ == nullptr) {
        return small_ < 0 ? -1 : (small_ > 0 ? 1 : 0);
    }
    return big_->value.sign();
}

Number Number::negated() const {
    if (big_ == nullptr && small_ != std::numeric_limits<std::int64_t>::min()) {
        return {-small_};
    }
    return made(Big{Float(-grown().value)});
}

Number Number::floor() const {
    return big_ == nullptr ? *this : made(Big{mp::floor(big_->value)});
}

Number Number::ceil() const {
    return big_ == nullptr ? *this : made(Big{mp::ceil(big_->value)});
}

Number operator+(const Number& a, const Number& b) {
    std::int64_t sum = 0;
    if (a.big_ == nullptr && b.big_ == nullptr &&
        !__builtin_add_overflow(a.small_, b.small_, &sum)) {
        return {sum};
    }
    return Number::made(Number::Big{Float(a.grown().value + b.grown().value)});
}

Number operator-(const Number& a, const Number& b) {
    std::int64_t difference = 0;
    if (a.big_ == nullptr && b.big_ == nullptr &&
        !__builtin_sub_overflow(a.small_, b.small_, &difference)) {
        return {difference};
    }
    return Number::made(Number::Big{Float(a.grown().value - b.grown().value)});
}

Number operator*(const Number& a, const Number& b) {
    std::int64_t product = 0;
    if (a.big_ == nullptr && b.big_ == nullptr &&
        !__builtin_mul_overflow(a.small_, b.small_, &product)) {
        return {product};
    }
    return Number::made(Number::Big{Float(a.grown().value * b.grown().value)});
}

Number divide(const Number& a, const Number& b) {
    NL_ASSERT(b.sign() != 0);
    return Number::made(Number::Big{Float(a.grown().value / b.grown().value)});
}

Number remainder(const Number& a, const Number& b) {
    NL_ASSERT(b.sign() != 0);
    const Float x = a.grown().value;
    const Float y = b.grown().value;
    return Number::made(Number::Big{Float(x - y * mp::trunc(x / y))});
}

namespace {

/// The number that the shortest text of a double is, since that is how it is going to be shown.
std::optional<Number> shortest(double v) {
    return Number::parse(fmt::format("{}", v));
}

}  // namespace

std::optional<Number> Number::power(const Number& base, const Number& exponent) {
    const double result = std::pow(base.as_double(), exponent.as_double());
    if (!std::isfinite(result)) {
        return std::nullopt;
    }
    return shortest(result);
}

std::optional<Number> Number::logarithm(const Number& value, const Number& base) {
    const double result = std::log(value.as_double()) / std::log(base.as_double());
    if (!std::isfinite(result)) {
        return std::nullopt;
    }
    return shortest(result);
}

int compare(const Number& a, const Number& b) {
    if (a.big_ == nullptr && b.big_ == nullptr) {
        return a.small_ < b.small_ ? -1 : (a.small_ > b.small_ ? 1 : 0);
    }
    return a.grown().value.compare(b.grown().value);
}

}  // namespace nl::hcl

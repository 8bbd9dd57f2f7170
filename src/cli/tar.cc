#include "cli/tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nl::cli {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameMax = 100;
constexpr std::size_t kPrefixMax = 155;

void put(std::string& header, std::size_t at, std::string_view text) {
    std::ranges::copy(text, header.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace

bool TarWriter::add(std::string_view name, std::string_view content) {
    std::string_view prefix;
    std::string_view rest = name;
    if (name.size() > kNameMax) {
        const std::size_t slash = name.find('/', name.size() - kNameMax - 1);
        if (slash == std::string_view::npos || slash > kPrefixMax) {
            return false;
        }
        prefix = name.substr(0, slash);
        rest = name.substr(slash + 1);
    }
    std::string header(kBlock, '\0');
    put(header, 0, rest);
    put(header, 100, "0000644");
    put(header, 108, "0000000");
    put(header, 116, "0000000");
    put(header, 124, fmt::format("{:011o}", content.size()));
    put(header, 136, fmt::format("{:011o}", made_.unix_ns / 1'000'000'000));
    put(header, 148, "        ");
    put(header, 156, "0");
    put(header, 257, std::string_view("ustar\00000", 8));
    put(header, 345, prefix);
    unsigned sum = 0;
    for (const char c : header) {
        sum += static_cast<unsigned char>(c);
    }
    put(header, 148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    out_ += header;
    out_ += content;
    out_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
    return true;
}

std::string TarWriter::take() {
    out_.append(2 * kBlock, '\0');
    return std::exchange(out_, {});
}

}  // namespace nl::cli

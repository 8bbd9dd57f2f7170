#include "io/http/url.h"

#include <fmt/format.h>

#include <iterator>

namespace nl::io::http {
namespace {

constexpr std::string_view kDefaultPort = "4646";

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool is_unreserved(char c) {
    const bool alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return alphanumeric || c == '-' || c == '.' || c == '_' || c == '~';
}

bool is_port(std::string_view text) {
    if (text.empty() || text.size() > 5) {
        return false;
    }
    int value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    return value <= 65535;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, Plus plus) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '%') {
            const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return fail(
                    ErrorCode::InvalidArgument, "invalid URL escape \"{}\"", text.substr(i, 3)
                );
            }
            out.push_back(static_cast<char>(high * 16 + low));
            i += 2;
        } else if (c == '+' && plus == Plus::IsSpace) {
            out.push_back(' ');
        } else {
            out.push_back(c);
        }
    }
    return out;
}

std::string percent_encode(std::string_view text, std::string_view keep) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (is_unreserved(c) || keep.find(c) != std::string_view::npos) {
            out.push_back(c);
        } else {
            fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

std::string encode_query(const std::vector<api::NameValue>& query) {
    std::string out;
    for (const auto& [name, value] : query) {
        if (!out.empty()) {
            out.push_back('&');
        }
        out += percent_encode(name);
        out.push_back('=');
        out += percent_encode(value);
    }
    return out;
}

Result<Target> parse_target(std::string_view target) {
    if (!target.starts_with('/')) {
        // Absolute form, as a proxy is sent: what follows the authority is the path.
        const std::size_t scheme = target.find("://");
        if (scheme == std::string_view::npos) {
            return fail(ErrorCode::InvalidArgument, "the request target must begin with \"/\"");
        }
        const std::size_t slash = target.find_first_of("/?", scheme + 3);
        target = slash == std::string_view::npos ? "/" : target.substr(slash);
    }
    Target out;
    target = target.substr(0, target.find('#'));
    const std::size_t question = target.find('?');
    out.raw_path = std::string(target.substr(0, question));
    if (out.raw_path.empty()) {
        out.raw_path = "/";
    }
    NL_TRY(out.path, percent_decode(out.raw_path, Plus::IsPlus));
    if (question == std::string_view::npos) {
        return out;
    }
    std::string_view rest = target.substr(question + 1);
    while (!rest.empty()) {
        const std::size_t end = rest.find('&');
        const std::string_view pair = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        if (pair.empty()) {
            continue;
        }
        const std::size_t equals = pair.find('=');
        api::NameValue parameter;
        NL_TRY(parameter.name, percent_decode(pair.substr(0, equals), Plus::IsSpace));
        if (equals != std::string_view::npos) {
            NL_TRY(parameter.value, percent_decode(pair.substr(equals + 1), Plus::IsSpace));
        }
        out.query.push_back(std::move(parameter));
    }
    return out;
}

Result<HostPort> parse_host_port(std::string_view text) {
    HostPort out;
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || text.substr(end + 1, 1) != ":") {
            return fail(
                ErrorCode::InvalidArgument, "address \"{}\" is not of the form [ip]:port", text
            );
        }
        out.host = std::string(text.substr(1, end - 1));
        port = text.substr(end + 2);
    } else {
        const std::size_t colon = text.rfind(':');
        if (colon == std::string_view::npos || text.find(':') != colon) {
            return fail(
                ErrorCode::InvalidArgument, "address \"{}\" is not of the form host:port", text
            );
        }
        out.host = std::string(text.substr(0, colon));
        port = text.substr(colon + 1);
    }
    if (!is_port(port)) {
        return fail(
            ErrorCode::InvalidArgument, "address \"{}\" has no port between 0 and 65535", text
        );
    }
    out.port = std::string(port);
    return out;
}

Result<Address> parse_address(std::string_view text) {
    const std::string_view original = text;
    Address out;
    if (text.starts_with("unix://")) {
        out.scheme = Scheme::Unix;
        out.path = std::string(text.substr(7));
        out.host = "localhost";
        if (!out.path.starts_with('/')) {
            return fail(
                ErrorCode::InvalidArgument,
                "address \"{}\" needs an absolute path: unix:///path/to/socket",
                original
            );
        }
        return out;
    }
    if (text.starts_with("https://")) {
        out.scheme = Scheme::Https;
        text.remove_prefix(8);
    } else if (text.starts_with("http://")) {
        text.remove_prefix(7);
    } else if (text.find("://") != std::string_view::npos) {
        return fail(
            ErrorCode::InvalidArgument,
            "address \"{}\" must begin with http://, https:// or unix://",
            original
        );
    }
    const std::size_t slash = text.find('/');
    std::string_view authority = text.substr(0, slash);
    if (slash != std::string_view::npos) {
        std::string_view path = text.substr(slash);
        while (path.ends_with('/')) {
            path.remove_suffix(1);
        }
        out.path = std::string(path);
    }
    if (authority.empty()) {
        return fail(ErrorCode::InvalidArgument, "address \"{}\" names no host", original);
    }
    const bool has_port = authority.starts_with('[')
                              ? authority.find("]:") != std::string_view::npos
                              : authority.find(':') != std::string_view::npos;
    if (has_port) {
        NL_TRY(const HostPort parts, parse_host_port(authority));
        out.host = parts.host;
        out.port = parts.port;
    } else {
        if (authority.starts_with('[') && authority.ends_with(']')) {
            authority = authority.substr(1, authority.size() - 2);
        }
        out.host = std::string(authority);
        out.port = std::string(kDefaultPort);
    }
    if (out.host.empty()) {
        return fail(ErrorCode::InvalidArgument, "address \"{}\" names no host", original);
    }
    return out;
}

std::string Address::authority() const {
    if (scheme == Scheme::Unix) {
        return host;
    }
    return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                               : fmt::format("[{}]:{}", host, port);
}

}  // namespace nl::io::http

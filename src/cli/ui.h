#pragma once
// A command's voice: plain lines to standard output, failures and warnings to standard error, and
// colours only where the terminal (or the user) asks for them. It owns no stream.

#include "cli/environment.h"

#include <string>
#include <string_view>

namespace nl::cli {

enum class ColorMode : unsigned char { Off, On };

class Ui {
public:
    Ui(const Environment& environment, ColorMode out_color, ColorMode err_color)
        : environment_(&environment), out_color_(out_color), err_color_(err_color) {}

    /// A line to standard output.
    void line(std::string_view text) const;
    /// Raw bytes to standard output.
    void raw(std::string_view bytes) const;
    /// A line to standard error, red on a terminal.
    void error(std::string_view text) const;
    /// A line to standard error, yellow on a terminal.
    void warn(std::string_view text) const;
    /// An empty line, then a title in bold.
    void section(std::string_view title) const;

    std::string bold(std::string_view text) const;
    std::string red(std::string_view text) const;
    std::string green(std::string_view text) const;
    std::string yellow(std::string_view text) const;
    std::string cyan(std::string_view text) const;

private:
    std::string painted(std::string_view code, std::string_view text) const;

    const Environment* environment_;
    ColorMode out_color_;
    ColorMode err_color_;
};

}  // namespace nl::cli

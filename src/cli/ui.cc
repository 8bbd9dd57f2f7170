#include "cli/ui.h"

#include <fmt/format.h>

namespace nl::cli {

namespace {

constexpr std::string_view kReset = "\x1b[0m";

}  // namespace

void Ui::line(std::string_view text) const {
    environment_->out(std::string(text) + "\n");
}

void Ui::raw(std::string_view bytes) const {
    environment_->out(bytes);
}

void Ui::error(std::string_view text) const {
    environment_->err(
        err_color_ == ColorMode::On ? fmt::format("\x1b[31m{}{}\n", text, kReset)
                                    : fmt::format("{}\n", text)
    );
}

void Ui::warn(std::string_view text) const {
    environment_->err(
        err_color_ == ColorMode::On ? fmt::format("\x1b[33m{}{}\n", text, kReset)
                                    : fmt::format("{}\n", text)
    );
}

void Ui::section(std::string_view title) const {
    line("");
    line(bold(title));
}

std::string Ui::painted(std::string_view code, std::string_view text) const {
    return out_color_ == ColorMode::On ? fmt::format("\x1b[{}m{}{}", code, text, kReset)
                                       : std::string(text);
}

std::string Ui::bold(std::string_view text) const {
    return painted("1", text);
}

std::string Ui::red(std::string_view text) const {
    return painted("31", text);
}

std::string Ui::green(std::string_view text) const {
    return painted("32", text);
}

std::string Ui::yellow(std::string_view text) const {
    return painted("33", text);
}

std::string Ui::cyan(std::string_view text) const {
    return painted("36", text);
}

}  // namespace nl::cli

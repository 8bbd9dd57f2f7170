#pragma once
// The web page, made from ui/index.html at build time.

#include <string_view>

namespace nl::api {

std::string_view page_html();

}  // namespace nl::api

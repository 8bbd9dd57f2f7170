#include "api/request.h"

namespace nl::api {

std::optional<std::string_view> Request::param(std::string_view name) const {
    for (const NameValue& parameter : query) {
        if (parameter.name == name) {
            return parameter.value;
        }
    }
    return {};
}

std::optional<std::string_view> Request::header(std::string_view name) const {
    for (const NameValue& field : headers) {
        if (field.name == name) {
            return field.value;
        }
    }
    return {};
}

}  // namespace nl::api

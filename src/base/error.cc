#include "base/error.h"

namespace nl {

std::string_view to_string(ErrorCode code) {
    switch (code) {
        case ErrorCode::NotFound:
            return "not found";
        case ErrorCode::AlreadyExists:
            return "already exists";
        case ErrorCode::InvalidArgument:
            return "invalid argument";
        case ErrorCode::FailedPrecondition:
            return "failed precondition";
        case ErrorCode::Conflict:
            return "conflict";
        case ErrorCode::Aborted:
            return "aborted";
        case ErrorCode::Cancelled:
            return "cancelled";
        case ErrorCode::NotLeader:
            return "not the leader";
        case ErrorCode::Unauthenticated:
            return "unauthenticated";
        case ErrorCode::PermissionDenied:
            return "permission denied";
        case ErrorCode::ResourceExhausted:
            return "resource exhausted";
        case ErrorCode::TooLarge:
            return "too large";
        case ErrorCode::Unavailable:
            return "unavailable";
        case ErrorCode::Timeout:
            return "timeout";
        case ErrorCode::Corruption:
            return "corruption";
        case ErrorCode::Unimplemented:
            return "unimplemented";
        case ErrorCode::Internal:
            return "internal";
    }
    return "unknown";
}

}  // namespace nl

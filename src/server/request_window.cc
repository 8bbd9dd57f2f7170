#include "server/request_window.h"

#include "base/check.h"
#include "base/codec.h"
#include "raft/planted.h"

#include <utility>
#include <vector>

namespace nl::server {

namespace {

struct SavedRequest {
    Uuid request;
    RequestWindow::Outcome outcome;

    NL_FIELDS(SavedRequest, (1, request), (2, outcome))
};
struct SavedWindow {
    Index forgotten_through;
    std::vector<SavedRequest> requests;

    NL_FIELDS(SavedWindow, (1, forgotten_through), (2, requests))
};

}  // namespace

RequestWindow::Judged RequestWindow::judge(const Uuid& request, Index born) const {
    if (request.is_nil() || NL_PLANTED(double_apply)) {
        return {};
    }
    if (const auto at = outcomes_.find(request); at != outcomes_.end()) {
        return {.verdict = Verdict::Again, .outcome = &at->second};
    }
    if (born < forgotten_through_) {
        return {.verdict = Verdict::TooOld};
    }
    return {};
}

void RequestWindow::remember(const Uuid& request, Outcome outcome) {
    if (request.is_nil()) {
        return;
    }
    if (!outcomes_.insert_or_assign(request, std::move(outcome)).second) {
        return;
    }
    order_.push_back(request);
    while (order_.size() > kept_max_) {
        const auto oldest = outcomes_.find(order_.front());
        NL_ASSERT(oldest != outcomes_.end());
        // Applied in log order, so this only grows.
        forgotten_through_ = oldest->second.index;
        outcomes_.erase(oldest);
        order_.pop_front();
    }
}

Bytes RequestWindow::save() const {
    if ((order_.empty() && forgotten_through_ == Index{0}) || NL_PLANTED(snapshot_without_requests)) {
        return {};
    }
    SavedWindow saved{.forgotten_through = forgotten_through_, .requests = {}};
    saved.requests.reserve(order_.size());
    for (const Uuid& request : order_) {
        saved.requests.push_back({.request = request, .outcome = outcomes_.at(request)});
    }
    return encode(saved);
}

Result<RequestWindow> RequestWindow::load(BytesView bytes, std::size_t kept_max) {
    RequestWindow window(kept_max);
    if (bytes.empty()) {
        return window;
    }
    auto saved = decode<SavedWindow>(bytes);
    if (!saved) {
        return fail(ErrorCode::Corruption, "the requests of a snapshot cannot be read");
    }
    window.forgotten_through_ = saved->forgotten_through;
    for (SavedRequest& one : saved->requests) {
        if (one.request.is_nil() || window.outcomes_.contains(one.request)) {
            return fail(ErrorCode::Corruption, "a request of a snapshot stands twice in it");
        }
        window.remember(one.request, std::move(one.outcome));
    }
    return window;
}

}  // namespace nl::server

#pragma once
// What the list of all volumes takes from the CSI ones. Internal to api.

#include "api/context.h"
#include "api/outcome.h"
#include "api/request.h"

namespace nl::api {

/// `GET /v1/volumes?type=csi`.
Outcome list_csi_volumes(const Request& request, const Context& context);

}  // namespace nl::api

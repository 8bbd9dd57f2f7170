#pragma once
// The seed's three gRPC services on a SeedHandler. Only for the .cc files of io/grpc.

#include "base/strong.h"
#include "io/grpc/seed_types.h"

#include <grpcpp/impl/service_type.h>

#include <functional>
#include <memory>
#include <vector>

namespace nl::io {

/// `handler` may be null: then only RaftService is there.
std::vector<std::unique_ptr<::grpc::Service>> make_seed_services(
    seed::SeedHandler* handler, std::function<Term()> current_term
);

}  // namespace nl::io

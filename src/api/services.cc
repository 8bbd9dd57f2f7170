// Routes of services (native discovery). Source: Nomad HTTP API, 7.
#include "api/listing.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/writing.h"
#include "base/bytes.h"
#include "state/commands/records.h"
#include "wire/json.h"

#include <charconv>
#include <set>

namespace nl::api {
namespace {

using state::TableId;
namespace commands = state::commands;

Outcome list(const Request& request, const PathValues&, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request)](const Context& c, const ReadOptions& options) -> Result<Look> {
            NL_TRY(const expr::Filter filter, list_filter(options));
            std::map<std::string, std::map<std::string, std::set<std::string>>> found;
            for (const auto& service :
                 ns == kAllNamespaces ? c.state.services() : c.state.services(ns)) {
                if (!visible(c, ns, service.namespace_)) {
                    continue;
                }
                auto& tags = found[service.namespace_][service.service_name];
                tags.insert(service.tags.begin(), service.tags.end());
            }
            std::vector<model::ServiceRegistrationListStub> out;
            for (const auto& [name, services] : found) {
                model::ServiceRegistrationListStub stub;
                stub.namespace_ = name;
                for (const auto& [service, tags] : services) {
                    model::ServiceRegistrationStub entry;
                    entry.service_name = service;
                    entry.tags.assign(tags.begin(), tags.end());
                    if (filter.matches_all() || filter.matches(wire::to_value(entry))) {
                        stub.services.push_back(std::move(entry));
                    }
                }
                if (!stub.services.empty()) {
                    out.push_back(std::move(stub));
                }
            }
            return Look{
                json_response(wire::to_json(out)),
                c.state.table_index(TableId::Services),
                {watch_list(TableId::Services, ns)},
                {}
            };
        }
    );
}

struct Choose {
    std::size_t count = 0;
    std::string key;
};
Result<std::optional<Choose>> parse_choose(const std::string& text) {
    if (text.empty()) {
        return std::optional<Choose>();
    }
    const std::size_t bar = text.find('|');
    Choose out;
    const auto [end, failed] =
        std::from_chars(text.data(), text.data() + std::min(bar, text.size()), out.count);
    const bool good = failed == std::errc() && bar != std::string::npos &&
                      end == text.data() + bar && out.count > 0 && bar + 1 < text.size();
    if (!good) {
        return fail(
            ErrorCode::InvalidArgument,
            "failed to choose services: request choose parameter not valid: \"{}\" is not of the "
            "form <number>|<key>",
            text
        );
    }
    out.key = text.substr(bar + 1);
    return std::optional(std::move(out));
}

/// Rendezvous hashing: each key has its own stable order of the instances.
void choose_some(std::vector<const model::ServiceRegistration*>& rows, const Choose& choose) {
    std::ranges::sort(rows, {}, [&](const auto* row) {
        return std::pair(crc32c(row->id, crc32c(choose.key)), row->id);
    });
    if (rows.size() > choose.count) {
        rows.resize(choose.count);
    }
}

Outcome get(const Request& request, const PathValues& path, const Context& context) {
    const auto choose = parse_choose(text_param(request, "choose"));
    if (!choose) {
        return error_response(choose.error());
    }
    return read(
        request,
        context,
        [ns = namespace_of(request),
         name = path[0],
         choose = *choose](const Context& c, const ReadOptions& options) -> Result<Look> {
            std::vector<const model::ServiceRegistration*> rows;
            if (ns == kAllNamespaces) {
                for (const auto& service : c.state.services()) {
                    if (service.service_name == name && visible(c, ns, service.namespace_)) {
                        rows.push_back(&service);
                    }
                }
            } else {
                for (const auto& service : c.state.services_named(ns, name)) {
                    rows.push_back(&service);
                }
            }
            ReadOptions given = options;
            if (choose) {
                choose_some(rows, *choose);
                given.next_token.clear();
            } else {
                sort_by(rows, false, [](const auto* row) {
                    return row->namespace_ + "." + row->id;
                });
            }
            NL_TRY(
                Look look,
                list_page(
                    rows,
                    given,
                    TokenKind::Text,
                    [](const auto* row) { return SortToken{0, row->namespace_ + "." + row->id}; },
                    [](const auto* row) { return wire::to_value(*row); },
                    [](std::string& out, const auto* row) { wire::append_json(out, *row); }
                )
            );
            look.index = c.state.table_index(TableId::Services);
            look.keys = {watch_list(TableId::Services, ns)};
            return look;
        }
    );
}

Outcome remove(const Request& request, const PathValues& path, const Context& context) {
    commands::ServiceDelete command;
    command.names = {{namespace_of(request), path[1]}};
    if (context.state.service(command.names[0].namespace_, path[1]) == nullptr) {
        return text_response(404, "service registration not found");
    }
    return propose(command, context, [](const Context&, const Applied& applied) -> Outcome {
        return write_empty(applied.index);
    });
}

Outcome missing_id(const Request&, const PathValues&, const Context&) {
    return text_response(400, "missing service id");
}

constexpr Route kRoutes[] = {
    {kGet, "/v1/services", Where::Server, "ns:read-job|own-ns", "", "List services.", list},
    {kGet,
     "/v1/service/{name}",
     Where::Server,
     "ns:read-job|own-ns",
     "choose",
     "Instances of a service.",
     get},
    {kDelete,
     "/v1/service/{name}/{id}",
     Where::Leader,
     "ns:submit-job|ns:delete-service-registration",
     "",
     "Remove an instance.",
     remove},
    {kDelete,
     "/v1/service/{name}",
     Where::Leader,
     "ns:submit-job|ns:delete-service-registration",
     "",
     "Remove an instance.",
     missing_id},
};

}  // namespace

std::span<const Route> service_routes() {
    return kRoutes;
}

}  // namespace nl::api

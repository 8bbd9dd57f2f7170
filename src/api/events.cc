// The event stream: what is applied, as lines of JSON. Source: JSON conventions, 5.3.
#include "api/access.h"
#include "api/json_text.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "api/shown_alloc.h"
#include "model/csi.h"
#include "model/host_volume.h"
#include "wire/json.h"
#include "wire/value_json.h"

#include <charconv>
#include <set>

namespace nl::api {
namespace {

using state::TableId;

constexpr Duration kHeartbeat = seconds(30);
constexpr std::string_view kAllTopics = "*";

struct Subscription {
    /// Topic (or "*") to keys (or "*").
    std::map<std::string, std::set<std::string>, std::less<>> topics;
    std::string ns;
};

struct Event {
    std::string_view topic;
    std::string key;
    std::string ns;
    std::vector<std::string> filter_keys;
    std::string payload;
};

bool wants(const Subscription& wanted, const Event& event) {
    if (!event.ns.empty() && wanted.ns != kAllNamespaces && wanted.ns != event.ns) {
        return false;
    }
    for (const std::string_view topic : {event.topic, kAllTopics}) {
        const auto found = wanted.topics.find(topic);
        if (found == wanted.topics.end()) {
            continue;
        }
        const auto& keys = found->second;
        if (keys.contains("*") || keys.contains(event.key) ||
            std::ranges::any_of(event.filter_keys, [&](const auto& key) {
                return keys.contains(key);
            })) {
            return true;
        }
    }
    return false;
}

std::string id_text(const Uuid& id) {
    return id.is_nil() ? "" : id.str();
}

std::string wrapped(std::string_view name, std::string json) {
    return fmt::format("{{\"{}\":{}}}", name, json);
}

/// An allocation without its job, which readers ask for themselves.
std::string alloc_payload(const state::AllocView& alloc, const state::Snapshot& state) {
    model::Allocation whole = shown_alloc(alloc, state);
    whole.job = nullptr;
    return wrapped("Allocation", wire::to_json(whole));
}

std::string redacted_json(const model::ACLAuthMethod& method) {
    model::ACLAuthMethod shown = method;
    if (shown.config && !shown.config->oidc_client_secret.empty()) {
        shown.config->oidc_client_secret = "redacted";
    }
    return wire::to_json(shown);
}

/// The event of one change, if it is of a table that events tell of.
std::optional<Event> event_of(const state::Change& change, const Context& c) {
    Event out;
    out.key = change.id.is_nil() ? change.key : change.id.str();
    out.ns = change.namespace_;
    const bool deleted = change.kind == state::Change::Kind::Delete;
    // An owner that is missing stands as "", as in Nomad.
    const auto owner = [&](const std::string& key) { out.filter_keys.push_back(key); };
    if (change.table == TableId::Jobs) {
        out.topic = "Job";
        const auto job = c.state.job(change.namespace_, change.key);
        out.payload = job != nullptr ? wrapped("Job", wire::to_json(*job)) : "{\"Job\":null}";
        if (deleted) {
            out.payload.insert(out.payload.size() - 1, ",\"Deleted\":true");
        }
        return out;
    }
    if (change.table == TableId::Evals) {
        out.topic = "Evaluation";
        owner(change.job_id);
        owner(id_text(change.deployment_id));
        const auto* eval = c.state.eval(change.id);
        out.payload = wrapped("Evaluation", eval != nullptr ? wire::to_json(*eval) : "null");
        return deleted ? std::nullopt : std::optional(std::move(out));
    }
    if (change.table == TableId::Allocs) {
        out.topic = "Allocation";
        owner(change.job_id);
        owner(id_text(change.deployment_id));
        const auto alloc = c.state.alloc(change.id);
        out.payload = alloc ? alloc_payload(*alloc, c.state) : wrapped("Allocation", "null");
        return deleted ? std::nullopt : std::optional(std::move(out));
    }
    if (change.table == TableId::Deployments) {
        out.topic = "Deployment";
        owner(change.job_id);
        const auto* deployment = c.state.deployment(change.id);
        out.payload =
            wrapped("Deployment", deployment != nullptr ? wire::to_json(*deployment) : "null");
        return deleted ? std::nullopt : std::optional(std::move(out));
    }
    if (change.table == TableId::Nodes) {
        out.topic = "Node";
        const auto* node = c.state.node(change.id);
        if (node == nullptr) {
            out.payload = wrapped("Node", "null");
            return out;
        }
        model::Node shown = *node;
        shown.secret_id = Uuid{};
        out.payload = wrapped("Node", wire::to_json(shown));
        return out;
    }
    if (change.table == TableId::NodePools) {
        out.topic = "NodePool";
        const auto* pool = c.state.node_pool(change.key);
        out.payload = wrapped("NodePool", pool != nullptr ? wire::to_json(*pool) : "null");
        return out;
    }
    if (change.table == TableId::AclTokens) {
        out.topic = "ACLToken";
        out.payload = "{\"ACLToken\":null}";
        if (const auto* token = c.state.acl_token(change.key)) {
            model::ACLToken shown = *token;
            shown.secret_id.clear();
            out.payload = wrapped("ACLToken", wire::to_json(shown));
        }
        return out;
    }
    if (change.table == TableId::AclPolicies) {
        out.topic = "ACLPolicy";
        const auto* policy = c.state.acl_policy(change.key);
        out.payload = wrapped("ACLPolicy", policy != nullptr ? wire::to_json(*policy) : "null");
        return out;
    }
    if (change.table == TableId::AclRoles) {
        out.topic = "ACLRole";
        const auto* role = c.state.acl_role(change.key);
        out.payload = wrapped("ACLRole", role != nullptr ? wire::to_json(*role) : "null");
        return out;
    }
    if (change.table == TableId::AclAuthMethods) {
        out.topic = "ACLAuthMethod";
        const auto* method = c.state.acl_auth_method(change.key);
        out.payload = wrapped("AuthMethod", method != nullptr ? redacted_json(*method) : "null");
        return out;
    }
    if (change.table == TableId::AclBindingRules) {
        out.topic = "ACLBindingRule";
        const auto* rule = c.state.acl_binding_rule(change.key);
        out.payload = wrapped("ACLBindingRule", rule != nullptr ? wire::to_json(*rule) : "null");
        return out;
    }
    if (change.table == TableId::Variables) {
        out.topic = "Variable";
        const auto* variable = c.state.variable(change.namespace_, change.key);
        out.payload = fmt::format(
            "{{\"Metadata\":{},\"Deleted\":{}}}",
            variable != nullptr ? wire::to_json(variable->meta) : "null",
            deleted
        );
        return out;
    }
    if (change.table == TableId::HostVolumes) {
        out.topic = "HostVolume";
        const auto* volume = c.state.host_volume(change.namespace_, change.key);
        if (volume != nullptr) {
            owner(volume->name);
        }
        out.payload = wrapped("Volume", volume != nullptr ? wire::to_json(*volume) : "null");
        return out;
    }
    if (change.table == TableId::CsiVolumes) {
        out.topic = "CSIVolume";
        const auto* volume = c.state.csi_volume(change.namespace_, change.key);
        out.payload = "{\"Volume\":null}";
        if (volume != nullptr) {
            model::CSIVolume shown = *volume;
            shown.secrets.clear();
            out.payload = wrapped("Volume", wire::to_json(shown));
        }
        return out;
    }
    if (change.table == TableId::CsiPlugins) {
        out.topic = "CSIPlugin";
        const auto* plugin = c.state.csi_plugin(change.key);
        out.payload = wrapped("Plugin", plugin != nullptr ? wire::to_json(*plugin) : "null");
        return out;
    }
    if (change.table == TableId::Services) {
        out.topic = "Service";
        owner(change.job_id);
        const auto* service = c.state.service(change.namespace_, change.key);
        if (service != nullptr) {
            owner(service->service_name);
        }
        out.payload = wrapped("Service", service != nullptr ? wire::to_json(*service) : "null");
        return out;
    }
    return {};
}

/// What a topic asks of its reader in a namespace ("" for events of none).
bool may_read_topic(const Context& c, std::string_view topic, std::string_view ns) {
    const policy::Acl& acl = *caller_of(c).acl;
    if (topic == "Job" || topic == "Evaluation" || topic == "Allocation" ||
        topic == "Deployment" || topic == "Service" || topic == "CSIPlugin") {
        return acl.allows(ns, policy::Capability::ReadJob);
    }
    if (topic == "HostVolume") {
        return acl.allows(ns, policy::Capability::HostVolumeRead);
    }
    if (topic == "CSIVolume") {
        return acl.allows(ns, policy::Capability::CsiReadVolume);
    }
    if (topic == "Variable") {
        return acl.allows_some_variable(ns, policy::VariableCapability::List);
    }
    if (topic == "Node") {
        return acl.allows_node(policy::Level::Read);
    }
    if (topic == "Operator") {
        return acl.allows_operator(policy::Level::Read);
    }
    return acl.is_management();
}

/// A stream of all namespaces gives the events of those that its reader may read.
bool may_see(const Context& c, const Event& event) {
    if (event.topic == "Variable") {
        return may_variable(c, event.ns, event.key, policy::VariableCapability::List);
    }
    return may_read_topic(c, event.topic, event.ns);
}

class EventStream final : public StreamMachine {
public:
    explicit EventStream(Subscription wanted) : wanted_(std::move(wanted)) {}

    StreamStep on(const StreamInput& input, const Context& context) override {
        StreamStep step;
        step.wake = context.now + kHeartbeat;
        if (std::holds_alternative<Opened>(input) || std::holds_alternative<Tick>(input)) {
            step.bytes = "{}\n";
        } else if (const auto* item = std::get_if<EffectsItem>(&input)) {
            if (item->effects) {
                step.bytes = lines(*item->effects, context);
            }
        } else if (const auto* ended = std::get_if<SourceEnded>(&input)) {
            step.end = true;
            step.cut = !ended->result.has_value();
        }
        return step;
    }

private:
    std::string lines(const state::Effects& effects, const Context& context) const {
        const std::string_view type = state::event_type(effects.command);
        std::string events;
        if (type.empty()) {
            return events;
        }
        for (const state::Change& change : effects.changes) {
            const auto event = event_of(change, context);
            if (!event || !wants(wanted_, *event) || !may_see(context, *event)) {
                continue;
            }
            std::string keys = "null";
            if (!event->filter_keys.empty()) {
                keys = wire::write_json(
                    Value::List(event->filter_keys.begin(), event->filter_keys.end())
                );
            }
            events += fmt::format(
                "{}{{\"Topic\":\"{}\",\"Type\":\"{}\",\"Key\":{},\"Namespace\":{},\"FilterKeys\":{}"
                ","
                "\"Index\":{},\"Payload\":{}}}",
                events.empty() ? "" : ",",
                event->topic,
                type,
                json_quote(event->key),
                json_quote(event->ns),
                keys,
                effects.index,
                event->payload
            );
        }
        return events.empty()
                   ? events
                   : fmt::format("{{\"Index\":{},\"Events\":[{}]}}\n", effects.index, events);
    }

    Subscription wanted_;
};

Outcome stream(const Request& request, const PathValues&, const Context& context) {
    Subscription wanted;
    wanted.ns = namespace_of(request);
    for (const auto& [name, value] : request.query) {
        if (name != "topic") {
            continue;
        }
        const std::size_t colon = value.find(':');
        const std::string topic = value.substr(0, colon);
        const std::string key = colon == std::string::npos ? "*" : value.substr(colon + 1);
        if (topic.empty() || key.empty()) {
            return text_response(
                400,
                fmt::format(
                    "Invalid topic query: error parsing topics: Invalid key value pair for topic, "
                    "topic: {}",
                    value
                )
            );
        }
        wanted.topics[topic].insert(key);
    }
    if (wanted.topics.empty()) {
        wanted.topics["*"].insert("*");
    }
    for (const auto& [topic, keys] : wanted.topics) {
        if (!may_read_topic(context, topic, wanted.ns)) {
            return denied();
        }
    }
    EventSource source;
    if (const std::string text = text_param(request, "index"); !text.empty()) {
        const auto [end, failed] =
            std::from_chars(text.data(), text.data() + text.size(), source.from.value);
        if (failed != std::errc() || end != text.data() + text.size()) {
            return text_response(
                400,
                fmt::format(
                    "Unable to parse index: strconv.Atoi: parsing \"{}\": invalid syntax", text
                )
            );
        }
    }
    Stream out;
    out.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-cache"}};
    out.source = source;
    out.machine = std::make_unique<EventStream>(std::move(wanted));
    return out;
}

constexpr Route kRoutes[] = {
    {kGet,
     "/v1/event/stream",
     Where::Server,
     "any",
     "topic index",
     "Follow what changes.",
     stream},
};

}  // namespace

std::span<const Route> event_routes() {
    return kRoutes;
}

}  // namespace nl::api

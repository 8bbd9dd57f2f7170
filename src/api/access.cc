#include "api/access.h"

#include "api/params.h"
#include "api/status.h"
#include "api/writing.h"
#include "base/check.h"
#include "crypto/hash.h"
#include "policy/identity.h"

#include <algorithm>
#include <map>
#include <utility>

namespace nl::api {
namespace {

using policy::Acl;
using policy::CapabilitySet;
using policy::Level;

constexpr std::string_view kAnonymousPolicy = "anonymous";

// ---- rules as values

enum class Scope : unsigned char {
    Anyone,
    Any,
    Token,
    Management,
    Namespace,
    AnyInNamespace,
    SomeNamespace,
    NamedNamespace,
    OwnNamespace,
    Alloc,
    Eval,
    Deployment,
    Scaling,
    Node,
    Agent,
    Operator,
    OperatorCapability,
    Quota,
    Plugin,
    Pool,
    SomePool,
    Variable,
    SomeVariable,
    WrittenVariable,
};
struct Term {
    Scope scope{};
    CapabilitySet capabilities = 0;
    Level level{};
};
using Conjunction = std::vector<Term>;
using Rule = std::vector<Conjunction>;

Level level_of(std::string_view word) {
    if (word == "list") {
        return Level::List;
    }
    NL_ASSERT(word == "read" || word == "write");
    return word == "read" ? Level::Read : Level::Write;
}

template <class Parse>
CapabilitySet capability_of(std::string_view word, Parse parse) {
    const auto capability = parse(word);
    // A rule is ours: what cannot be read would allow nothing, or everything.
    NL_ASSERT(capability.has_value());
    return policy::bit(*capability);
}

Term parse_term(std::string_view text) {
    static const std::map<std::string_view, Scope> kPlain{
        {"anon", Scope::Anyone},
        {"any", Scope::Any},
        {"token", Scope::Token},
        {"management", Scope::Management},
        {"ns:any", Scope::AnyInNamespace},
        {"name:any", Scope::NamedNamespace},
        {"own-ns", Scope::OwnNamespace},
    };
    static const std::map<std::string_view, Scope> kInNamespace{
        {"ns", Scope::Namespace},
        {"some-ns", Scope::SomeNamespace},
        {"alloc", Scope::Alloc},
        {"eval", Scope::Eval},
        {"deployment", Scope::Deployment},
        {"scaling", Scope::Scaling},
    };
    static const std::map<std::string_view, Scope> kLevels{
        {"node", Scope::Node},
        {"agent", Scope::Agent},
        {"quota", Scope::Quota},
        {"plugin", Scope::Plugin},
    };
    if (const auto plain = kPlain.find(text); plain != kPlain.end()) {
        return {plain->second};
    }
    const std::size_t colon = text.find(':');
    NL_ASSERT(colon != std::string_view::npos);
    const std::string_view scope = text.substr(0, colon);
    const std::string_view word = text.substr(colon + 1);
    if (const auto found = kInNamespace.find(scope); found != kInNamespace.end()) {
        return {found->second, capability_of(word, policy::parse_capability)};
    }
    if (const auto found = kLevels.find(scope); found != kLevels.end()) {
        return {found->second, 0, level_of(word)};
    }
    if (scope == "operator") {
        if (word == "read" || word == "write") {
            return {Scope::Operator, 0, level_of(word)};
        }
        return {
            Scope::OperatorCapability, capability_of(word, policy::parse_operator_capability)
        };
    }
    if (scope == "pool" || scope == "some-pool") {
        return {
            scope == "pool" ? Scope::Pool : Scope::SomePool,
            capability_of(word, policy::parse_pool_capability)
        };
    }
    NL_ASSERT(scope == "var" || scope == "some-var" || scope == "written-var");
    return {
        scope == "var"        ? Scope::Variable
        : scope == "some-var" ? Scope::SomeVariable
                              : Scope::WrittenVariable,
        capability_of(word, policy::parse_variable_capability)
    };
}

template <class Each>
void split(std::string_view text, char at, const Each& each) {
    while (true) {
        const std::size_t end = text.find(at);
        each(text.substr(0, end));
        if (end == std::string_view::npos) {
            return;
        }
        text.remove_prefix(end + 1);
    }
}

Rule parse_rule(std::string_view text) {
    Rule rule;
    split(text, '|', [&](std::string_view alternative) {
        Conjunction terms;
        split(alternative, '&', [&](std::string_view term) { terms.push_back(parse_term(term)); });
        rule.push_back(std::move(terms));
    });
    return rule;
}

// ---- checking

enum class Verdict : unsigned char { No, Yes, Hidden };

template <class E>
E lowest(CapabilitySet set) {
    for (unsigned i = 0; i < 64; ++i) {
        if ((set >> i & 1) != 0) {
            return static_cast<E>(i);
        }
    }
    NL_UNREACHABLE();
}

class Check {
public:
    Check(
        const Request& request, const PathValues& path, const Context& context, const Caller& caller
    )
        : request_(request), path_(path), context_(context), caller_(caller) {}

    Verdict rule(const Rule& rule) const {
        Verdict best = Verdict::No;
        for (const Conjunction& terms : rule) {
            Verdict all = Verdict::Yes;
            for (const Term& one : terms) {
                const Verdict verdict = term(one);
                if (verdict == Verdict::No) {
                    all = verdict;
                    break;
                }
                all = verdict == Verdict::Hidden ? verdict : all;
            }
            if (all == Verdict::Yes) {
                return all;
            }
            best = all == Verdict::Hidden ? all : best;
        }
        return best;
    }

private:
    static Verdict yes(bool allowed) { return allowed ? Verdict::Yes : Verdict::No; }
    const Acl& acl() const { return *caller_.acl; }
    std::string_view first() const {
        return path_.values.empty() ? std::string_view() : std::string_view(path_.values.front());
    }
    std::string_view ns() const {
        const auto given = request_.param("namespace");
        return given && !given->empty() ? *given : "default";
    }

    /// An object of a namespace that the path names. `found` is its namespace, if it exists.
    Verdict object(const std::optional<std::string>& found, CapabilitySet any_of) const {
        if (found && acl().allows(*found, any_of)) {
            return Verdict::Yes;
        }
        // Whoever may see some of these learns no more of a foreign one than of a missing one.
        return !acl().allows("*", any_of) ? Verdict::No
               : found                    ? Verdict::Hidden
                                          : Verdict::Yes;
    }

    std::optional<std::string> alloc_namespace() const {
        const auto id = Uuid::parse(first());
        const auto alloc = id ? context_.state.alloc(*id) : std::nullopt;
        return alloc ? std::optional(std::string(alloc->namespace_())) : std::nullopt;
    }
    std::optional<std::string> eval_namespace() const {
        const auto id = Uuid::parse(first());
        const auto* eval = id ? context_.state.eval(*id) : nullptr;
        return eval != nullptr ? std::optional(eval->namespace_) : std::nullopt;
    }
    std::optional<std::string> deployment_namespace() const {
        const auto id = Uuid::parse(first());
        const auto* deployment = id ? context_.state.deployment(*id) : nullptr;
        return deployment != nullptr ? std::optional(deployment->namespace_) : std::nullopt;
    }
    std::optional<std::string> scaling_namespace() const {
        const auto* policy = context_.state.scaling_policy(first());
        return policy != nullptr ? std::optional(policy->namespace_) : std::nullopt;
    }

    /// A node reads the allocations that are placed on it.
    bool is_own_alloc(CapabilitySet any_of) const {
        if (caller_.node.is_nil() || !policy::has(any_of, policy::Capability::ReadJob)) {
            return false;
        }
        const auto id = Uuid::parse(first());
        const auto alloc = id ? context_.state.alloc(*id) : std::nullopt;
        return alloc && alloc->node_id() == caller_.node;
    }

    Verdict term(const Term& term) const {
        switch (term.scope) {
            case Scope::Anyone:
                return Verdict::Yes;
            case Scope::Any:
                return yes(!caller_.anonymous || !acl().is_empty());
            case Scope::Token:
                return yes(caller_.token.has_value() || caller_.everyone);
            case Scope::Management:
                return yes(acl().is_management());
            case Scope::Namespace:
                return yes(acl().allows(ns(), term.capabilities));
            case Scope::AnyInNamespace:
                return yes(acl().allows_namespace(ns()));
            case Scope::SomeNamespace:
                return yes(acl().allows("*", term.capabilities));
            case Scope::NamedNamespace:
                return yes(acl().allows_namespace(first()));
            case Scope::OwnNamespace:
                return yes(caller_.workload && caller_.workload->namespace_ == ns());
            case Scope::Alloc:
                return is_own_alloc(term.capabilities)
                           ? Verdict::Yes
                           : object(alloc_namespace(), term.capabilities);
            case Scope::Eval:
                return object(eval_namespace(), term.capabilities);
            case Scope::Deployment:
                return object(deployment_namespace(), term.capabilities);
            case Scope::Scaling:
                return object(scaling_namespace(), term.capabilities);
            case Scope::Node:
                return yes(acl().allows_node(term.level));
            case Scope::Agent:
                return yes(acl().allows_agent(term.level));
            case Scope::Operator:
                return yes(acl().allows_operator(term.level));
            case Scope::OperatorCapability:
                return yes(
                    acl().allows_operator(lowest<policy::OperatorCapability>(term.capabilities))
                );
            case Scope::Quota:
                return yes(acl().allows_quota(term.level));
            case Scope::Plugin:
                return yes(acl().allows_plugin(term.level));
            case Scope::Pool:
                return yes(
                    acl().allows_pool(first(), lowest<policy::PoolCapability>(term.capabilities))
                );
            case Scope::SomePool:
                return yes(
                    acl().allows_some_pool(lowest<policy::PoolCapability>(term.capabilities))
                );
            case Scope::Variable:
                return yes(acl().allows_variable(
                    ns(),
                    first(),
                    lowest<policy::VariableCapability>(term.capabilities),
                    caller_.workload ? &*caller_.workload : nullptr
                ));
            case Scope::SomeVariable:
                return yes(
                    caller_.workload.has_value() ||
                    acl().allows_some_variable(
                        ns(), lowest<policy::VariableCapability>(term.capabilities)
                    )
                );
            case Scope::WrittenVariable:
                return yes(acl().allows_some_variable(
                    "*", lowest<policy::VariableCapability>(term.capabilities)
                ));
        }
        NL_UNREACHABLE();
    }

    const Request& request_;
    const PathValues& path_;
    const Context& context_;
    const Caller& caller_;
};

/// The rules of all routes, read once; another one (of a test's own route) is read each time.
Verdict verdict_of(std::string_view text, const Check& check) {
    static const std::map<std::string_view, Rule> kRules = [] {
        std::map<std::string_view, Rule> all;
        for (const Route& route : routes()) {
            all.try_emplace(route.rule, parse_rule(route.rule));
        }
        return all;
    }();
    const auto found = kRules.find(text);
    return found == kRules.end() ? check.rule(parse_rule(text)) : check.rule(found->second);
}

// ---- callers

Error permission_denied() {
    return {ErrorCode::PermissionDenied, std::string(kPermissionDenied)};
}

std::shared_ptr<const Caller> everyone() {
    static const std::shared_ptr<const Caller> kEveryone = [] {
        auto caller = std::make_shared<Caller>();
        caller->acl = Acl::management();
        caller->everyone = true;
        return caller;
    }();
    return kEveryone;
}

std::shared_ptr<const Acl> compiled(
    std::vector<const model::ACLPolicy*> policies, const Context& context
) {
    std::ranges::sort(policies, {}, [](const auto* policy) { return policy->name; });
    const auto [first, last] = std::ranges::unique(policies);
    policies.erase(first, last);
    std::string key;
    for (const auto* policy : policies) {
        key += fmt::format("{}\n{}\n", policy->name, policy->modify_index);
    }
    if (context.acl_cache) {
        if (auto found = context.acl_cache->find(key)) {
            return found;
        }
    }
    std::vector<policy::Policy> parsed;
    for (const auto* policy : policies) {
        // What is stored was checked; a rule that this version does not know allows nothing.
        if (auto rules = policy::parse_policy(policy->rules)) {
            parsed.push_back(std::move(*rules));
        }
    }
    std::vector<const policy::Policy*> pointers;
    for (const auto& rules : parsed) {
        pointers.push_back(&rules);
    }
    auto acl = Acl::compile(pointers);
    if (context.acl_cache) {
        context.acl_cache->put(std::move(key), acl);
    }
    return acl;
}

void add_policy(
    std::vector<const model::ACLPolicy*>& out, const state::Snapshot& state, std::string_view name
) {
    if (const auto* policy = state.acl_policy(name)) {
        out.push_back(policy);
    }
}

/// A policy bound to a job holds for exactly that job, group and task.
bool is_bound_to(const model::ACLPolicy& policy, const policy::Workload& workload) {
    if (!policy.job_acl) {
        return false;
    }
    const model::JobACL& bound = *policy.job_acl;
    return bound.namespace_ == workload.namespace_ && bound.job_id == workload.job_id &&
           !bound.job_id.empty() && (bound.group.empty() || bound.group == workload.group) &&
           (bound.task.empty() || bound.task == workload.task);
}

Result<std::shared_ptr<const Caller>> workload_caller(
    std::string_view token, const Context& context
) {
    const auto find = [&](std::string_view id) -> std::optional<policy::PublicKeys> {
        const auto* row = context.state.root_key(id);
        if (row == nullptr) {
            return {};
        }
        auto keys = decode<policy::PublicKeys>(row->public_key.bytes);
        return keys ? std::optional(std::move(*keys)) : std::nullopt;
    };
    const auto claims = policy::verify_identity(token, find, context.wall);
    if (!claims) {
        return std::unexpected(permission_denied());
    }
    const auto alloc_id = Uuid::parse(claims->alloc_id);
    const auto alloc = alloc_id ? context.state.alloc(*alloc_id) : std::nullopt;
    // An identity ends with its allocation.
    if (!alloc || alloc->client_terminal() || alloc->namespace_() != claims->namespace_) {
        return std::unexpected(permission_denied());
    }
    auto caller = std::make_shared<Caller>();
    caller->workload = policy::Workload{
        claims->namespace_, claims->job_id, claims->group, claims->task
    };
    caller->alloc = *alloc_id;
    if (!claims->expires_at.is_zero()) {
        caller->expires = claims->expires_at;
    }
    std::vector<const model::ACLPolicy*> policies;
    for (const model::ACLPolicy& policy : context.state.acl_policies()) {
        if (is_bound_to(policy, *caller->workload)) {
            policies.push_back(&policy);
        }
    }
    caller->acl = compiled(std::move(policies), context);
    return caller;
}

Result<std::shared_ptr<const Caller>> token_caller(
    const model::ACLToken& token, const Context& context
) {
    if (token.expiration_time && *token.expiration_time <= context.wall) {
        return std::unexpected(permission_denied());
    }
    auto caller = std::make_shared<Caller>();
    caller->token = token;
    caller->expires = token.expiration_time;
    if (token.type == "management") {
        caller->acl = Acl::management();
        return caller;
    }
    std::vector<const model::ACLPolicy*> policies;
    for (const std::string& name : token.policies) {
        add_policy(policies, context.state, name);
    }
    for (const auto& link : token.roles) {
        if (const auto* role = context.state.acl_role(link.id)) {
            for (const auto& policy : role->policies) {
                add_policy(policies, context.state, policy.name);
            }
        }
    }
    caller->acl = compiled(std::move(policies), context);
    return caller;
}

std::shared_ptr<const Caller> anonymous_caller(const Context& context) {
    auto caller = std::make_shared<Caller>();
    caller->anonymous = true;
    std::vector<const model::ACLPolicy*> policies;
    if (context.state) {
        add_policy(policies, context.state, kAnonymousPolicy);
    }
    caller->acl = compiled(std::move(policies), context);
    return caller;
}

bool gives_two_tokens(const Request& request) {
    std::optional<std::string_view> seen;
    for (const auto& field : request.headers) {
        if (field.name == "x-nomad-token" && !field.value.empty()) {
            if (seen && *seen != field.value) {
                return true;
            }
            seen = field.value;
        }
    }
    return false;
}

// ---- what goes on after the first answer

/// Enough of a request to admit it again.
struct Guard {
    Request request;
    const Route* route = nullptr;
    PathValues path;

    /// Sets the context's caller.
    bool still_admitted(const Context& context) const {
        const auto admission = admit(request, *route, path, context);
        if (!admission || admission->hidden) {
            return false;
        }
        context.caller = admission->caller;
        return true;
    }
};
using SharedGuard = std::shared_ptr<const Guard>;

class GuardedStream final : public StreamMachine {
public:
    GuardedStream(SharedGuard guard, std::unique_ptr<StreamMachine> inner)
        : guard_(std::move(guard)), inner_(std::move(inner)) {}

    StreamStep on(const StreamInput& input, const Context& context) override {
        if (!guard_->still_admitted(context)) {
            StreamStep end;
            if (std::holds_alternative<Opened>(input)) {
                end.instead = denied();
            }
            end.end = true;
            return end;
        }
        StreamStep step;
        if (std::holds_alternative<Tick>(input) && context.now < wake_) {
            // Only the guard wanted to look.
        } else {
            step = inner_->on(input, context);
            wake_ = step.wake;
        }
        step.wake = std::min(wake_, context.now + kRecheck);
        return step;
    }

private:
    SharedGuard guard_;
    std::unique_ptr<StreamMachine> inner_;
    Instant wake_ = Instant::max();
};

class GuardedSession final : public SessionMachine {
public:
    GuardedSession(SharedGuard guard, std::unique_ptr<SessionMachine> inner)
        : guard_(std::move(guard)), inner_(std::move(inner)) {}

    SessionStep on(const SessionInput& input, const Context& context) override {
        if (!guard_->still_admitted(context) && !std::holds_alternative<ClientClosed>(input)) {
            constexpr std::uint16_t kPolicyViolation = 1008;
            SessionStep end;
            end.close =
                SessionClose{.code = kPolicyViolation, .reason = std::string(kPermissionDenied)};
            return end;
        }
        SessionStep step;
        if (std::holds_alternative<Tick>(input) && context.now < wake_) {
            // Only the guard wanted to look.
        } else {
            step = inner_->on(input, context);
            wake_ = step.wake;
        }
        step.wake = std::min(wake_, context.now + kRecheck);
        return step;
    }

private:
    SharedGuard guard_;
    std::unique_ptr<SessionMachine> inner_;
    Instant wake_ = Instant::max();
};

Outcome guarded(Outcome outcome, const SharedGuard& guard, std::shared_ptr<const Caller> caller) {
    if (auto* parked = std::get_if<Parked>(&outcome)) {
        parked->resume = [resume = std::move(parked->resume), guard, caller = std::move(caller)](
                             const Context& context, WaitEnd end
                         ) -> Outcome {
            // What was proposed under the caller's rights is done, whatever has become of them (a
            // token may have deleted itself); what is looked at anew is asked for anew.
            if (std::holds_alternative<Woken>(end)) {
                if (!guard->still_admitted(context)) {
                    return denied();
                }
            } else {
                context.caller = caller;
            }
            return guarded(resume(context, std::move(end)), guard, context.caller);
        };
    } else if (auto* stream = std::get_if<Stream>(&outcome)) {
        stream->machine = std::make_unique<GuardedStream>(guard, std::move(stream->machine));
    } else if (auto* session = std::get_if<Session>(&outcome)) {
        session->machine = std::make_unique<GuardedSession>(guard, std::move(session->machine));
    }
    return outcome;
}

/// The answer that names `stand_in` where the client asked for `real`.
Outcome renamed(Outcome outcome, std::string stand_in, std::string real) {
    if (auto* response = std::get_if<Response>(&outcome)) {
        for (std::size_t at = response->body.find(stand_in); at != std::string::npos;
             at = response->body.find(stand_in, at + real.size())) {
            response->body.replace(at, stand_in.size(), real);
        }
    } else if (auto* parked = std::get_if<Parked>(&outcome)) {
        parked->resume = [resume = std::move(parked->resume), stand_in, real](
                             const Context& context, WaitEnd end
                         ) { return renamed(resume(context, std::move(end)), stand_in, real); };
    }
    return outcome;
}

}  // namespace

std::string_view token_of(const Request& request) {
    if (const auto token = request.header("x-nomad-token"); token && !token->empty()) {
        return *token;
    }
    constexpr std::string_view kBearer = "Bearer ";
    std::string_view header = request.header("authorization").value_or("");
    if (!header.starts_with(kBearer)) {
        return {};
    }
    header.remove_prefix(kBearer.size());
    while (header.starts_with(' ')) {
        header.remove_prefix(1);
    }
    return header;
}

Result<std::shared_ptr<const Caller>> authenticate(
    std::string_view secret, const Context& context
) {
    if (!context.agent->acl_enabled) {
        return everyone();
    }
    if (secret.empty()) {
        return anonymous_caller(context);
    }
    if (!context.state) {
        return std::unexpected(permission_denied());
    }
    if (policy::looks_like_identity(secret)) {
        return workload_caller(secret, context);
    }
    const model::ACLToken* token = context.state.acl_token_by_secret(secret);
    if (token != nullptr && crypto::equal_secrets(token->secret_id, secret)) {
        return token_caller(*token, context);
    }
    const auto id = Uuid::parse(secret);
    const model::Node* node =
        id && !id->is_nil() ? context.state.node_by_secret(*id) : nullptr;
    if (node != nullptr) {
        auto caller = std::make_shared<Caller>();
        caller->node = node->id;
        caller->acl = compiled({}, context);
        return caller;
    }
    return std::unexpected(permission_denied());
}

Result<Admission> admit(
    const Request& request, const Route& route, const PathValues& path, const Context& context
) {
    if (!context.agent->acl_enabled || (context.vouched && route.where == Where::Local)) {
        return Admission{everyone()};
    }
    if (route.rule == "anon") {
        // A token that is not valid does not close what is open to everyone.
        auto caller = authenticate(token_of(request), context);
        return Admission{caller ? *caller : anonymous_caller(context)};
    }
    if (gives_two_tokens(request)) {
        return std::unexpected(permission_denied());
    }
    NL_TRY(auto caller, authenticate(token_of(request), context));
    const Verdict verdict =
        caller->acl->is_management() && route.rule != "token"
            ? Verdict::Yes
            : verdict_of(route.rule, Check(request, path, context, *caller));
    if (verdict == Verdict::No) {
        return std::unexpected(permission_denied());
    }
    return Admission{std::move(caller), verdict == Verdict::Hidden};
}

Result<void> authorize(const Request& request, const Route& route, const Context& context) {
    PathValues path;
    match_pattern(route.pattern, request.path, path);
    NL_TRY(const Admission admission, admit(request, route, path, context));
    if (admission.hidden) {
        return fail(ErrorCode::NotFound, "Unknown allocation \"{}\"", path.values.front());
    }
    context.caller = admission.caller;
    return {};
}

Outcome handle_admitted(
    const Request& request, const Route& route, const PathValues& path, const Context& context
) {
    const auto admission = admit(request, route, path, context);
    if (!admission) {
        return error_response(admission.error());
    }
    context.caller = admission->caller;
    if (!context.agent->acl_enabled) {
        return route.handler(request, path, context);
    }
    if (admission->hidden) {
        // The handler is asked for an id that nobody has, so that the answer is in every respect
        // that for an object which does not exist.
        constexpr std::uint64_t kStandIn = 0x5eed;
        const std::string stand_in = new_id(context, kStandIn).str();
        PathValues other = path;
        other.values.front() = stand_in;
        Request asked = request;
        for (std::string* text : {&asked.path, &asked.raw_path}) {
            if (const std::size_t at = text->find(path.values.front()); at != std::string::npos) {
                text->replace(at, path.values.front().size(), stand_in);
            }
        }
        return renamed(
            route.handler(asked, other, context), stand_in, path.values.front()
        );
    }
    Outcome outcome = route.handler(request, path, context);
    if (std::holds_alternative<Response>(outcome)) {
        return outcome;
    }
    // Bodies are not looked at again.
    auto guard = std::make_shared<Guard>();
    guard->request.method = request.method;
    guard->request.path = request.path;
    guard->request.query = request.query;
    guard->request.headers = request.headers;
    guard->route = &route;
    guard->path = path;
    return guarded(std::move(outcome), guard, admission->caller);
}

const Caller& caller_of(const Context& context) {
    if (!context.caller) {
        context.caller = context.agent->acl_enabled ? anonymous_caller(context) : everyone();
    }
    return *context.caller;
}

bool may(const Context& context, std::string_view ns, CapabilitySet any_of) {
    return caller_of(context).acl->allows(ns, any_of);
}

bool may_variable(
    const Context& context,
    std::string_view ns,
    std::string_view path,
    policy::VariableCapability capability
) {
    const Caller& caller = caller_of(context);
    return caller.acl->allows_variable(
        ns, path, capability, caller.workload ? &*caller.workload : nullptr
    );
}

bool may_pool(const Context& context, std::string_view pool, policy::PoolCapability capability) {
    return caller_of(context).acl->allows_pool(pool, capability);
}

bool may_manage(const Context& context) {
    return caller_of(context).acl->is_management();
}

Response denied() {
    return error_response(permission_denied());
}

}  // namespace nl::api

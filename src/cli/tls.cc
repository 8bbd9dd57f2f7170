// Certificates for a cluster of one's own, made on this machine.
#include "cli/context.h"
#include "io/certificates.h"

#include <sys/stat.h>

#include <algorithm>

namespace nl::cli {
namespace {

/// Writes a file that nobody else may read; an existing one is never overwritten.
Result<void> write_secret(const Context& context, const std::string& path, std::string_view text) {
    if (context.env().file_exists(path)) {
        return nl::fail(ErrorCode::AlreadyExists, "{} already exists", path);
    }
    const mode_t before = ::umask(0077);
    const Result<void> written = context.env().write_file(path, text);
    ::umask(before);
    return written;
}

int save_pair(
    const Context& context, const io::PemPair& pair, const std::string& prefix, std::string_view noun
) {
    for (const std::string& path : {prefix + ".pem", prefix + "-key.pem"}) {
        if (context.env().file_exists(path)) {
            return context.fail("{} already exists", path);
        }
    }
    const auto certificate = context.env().write_file(prefix + ".pem", pair.certificate);
    if (!certificate) {
        return context.fail("{}", certificate.error().message);
    }
    context.line("==> {} certificate saved to: {}.pem", noun, prefix);
    const auto key = write_secret(context, prefix + "-key.pem", pair.key);
    if (!key) {
        return context.fail("{}", key.error().message);
    }
    context.line("==> {} certificate key saved to: {}-key.pem", noun, prefix);
    return 0;
}

int create_ca(Context& context) {
    io::AuthorityRequest request;
    const std::string domain = context.text("domain");
    request.name.common_name =
        context.text("common-name").empty() ? "Nomad Agent CA" : context.text("common-name");
    request.name.parts = {
        {"C", context.text("country")},
        {"postalCode", context.text("postal-code")},
        {"ST", context.text("province")},
        {"L", context.text("locality")},
        {"street", context.text("street-address")},
        {"O", context.text("organization")},
        {"OU", context.text("organizational-unit")},
    };
    request.days = context.flags().integer("days");
    if (context.on("name-constraint")) {
        request.permitted_domains = {domain, "localhost"};
        for (const std::string& more : context.flags().list("additional-domain")) {
            request.permitted_domains.push_back(more);
        }
    }
    const auto made = io::make_authority(request);
    if (!made) {
        return context.fail("Error creating CA: {}", made.error().message);
    }
    return save_pair(context, *made, domain + "-agent-ca", "CA");
}

int create_cert(Context& context) {
    const bool server = context.on("server");
    const bool client = context.on("client");
    const bool cli = context.on("cli");
    if ((server ? 1 : 0) + (client ? 1 : 0) + (cli ? 1 : 0) != 1) {
        return context.usage_error("Please provide either -cli, -client, or -server");
    }
    const std::string domain = context.text("domain");
    const std::string region =
        context.text("region").empty() ? context.text("cluster-region") : context.text("region");
    const auto file = [&](const char* flag, const char* ending) {
        return context.text(flag).empty() ? domain + ending : context.text(flag);
    };
    const std::string ca_path = file("ca", "-agent-ca.pem");
    const std::string key_path = file("key", "-agent-ca-key.pem");
    const auto ca = context.env().read_file(ca_path);
    const auto key = context.env().read_file(key_path);
    if (!ca || !key) {
        return context.fail("Error reading CA: {}", ca ? key.error().message : ca.error().message);
    }
    const std::string kind = server ? "server" : client ? "client" : "cli";
    io::LeafRequest request;
    request.name.common_name = fmt::format("{}.{}.{}", kind, region, domain);
    request.days = context.flags().integer("days");
    request.dns_names = {request.name.common_name};
    if (region != "global" || domain != "nomad") {
        // The name that agents check, whatever the domain.
        request.dns_names.push_back(fmt::format("{}.{}.nomad", kind, region));
    }
    for (const std::string& name : context.flags().list("additional-dnsname")) {
        request.dns_names.push_back(name);
    }
    request.dns_names.emplace_back("localhost");
    std::vector<std::string> unique;
    for (const std::string& name : request.dns_names) {
        if (std::ranges::find(unique, name) == unique.end()) {
            unique.push_back(name);
        }
    }
    request.dns_names = std::move(unique);
    request.ip_addresses = {"127.0.0.1"};
    for (const std::string& address : context.flags().list("additional-ipaddress")) {
        request.ip_addresses.push_back(address);
    }
    request.for_server = !cli;
    const auto made = io::make_leaf(request, {*ca, *key});
    if (!made) {
        return context.fail("Error creating certificate: {}", made.error().message);
    }
    context.line("==> WARNING: Server Certificates grant authority to become a server and access all state in the cluster");
    context.line("    including root keys and all ACL tokens. Do not distribute them to production hosts");
    context.line("    that are not server nodes. Store them as securely as CA keys.");
    context.line("==> Using CA file {} and CA key {}", ca_path, key_path);
    return save_pair(
        context, *made, fmt::format("{}-{}-{}", region, kind, domain),
        server ? "Server" : client ? "Client" : "Cli"
    );
}

int show(Context& context) {
    const auto text = context.env().read_file(context.argument(0));
    if (!text) {
        return context.fail("Error reading certificate: {}", text.error().message);
    }
    const auto info = io::read_certificate(*text);
    if (!info) {
        return context.fail("Error reading certificate: {}", info.error().message);
    }
    Pairs pairs{
        {"Serial Number", info->serial},
        {"Issuer CN", info->issuer},
        {"Common Name", info->common_name},
        {"Expiry Date", context.time(info->not_after)},
    };
    if (info->is_authority) {
        pairs.emplace_back("Permitted DNS Domains", join(info->permitted_domains, ", "));
    } else {
        pairs.emplace_back("DNS Names", join(info->dns_names, ", "));
        pairs.emplace_back("IP Addresses", join(info->ip_addresses, ", "));
    }
    context.ui().line(key_values(pairs));
    return 0;
}

FlagSpec text_flag(const char* name, const char* help, const char* fallback = "") {
    return {.name = name, .kind = FlagKind::Text, .help = help, .fallback = fallback};
}

}  // namespace

std::vector<Command> tls_commands() {
    const ArgumentRule one_file{.least = 1, .most = 1, .words = "one argument: <file>"};
    std::vector<Command> out;
    out.push_back({
        .path = "tls ca create",
        .usage = "[options]",
        .synopsis = "Make an authority for a cluster's certificates",
        .help = "Writes <domain>-agent-ca.pem and its key into this directory. Keep the key where "
                "nobody\nelse gets it.\n\nExample:\n\n  $ nomad-lite tls ca create -days 3650",
        .flags =
            {
                {.name = "additional-domain",
                 .kind = FlagKind::List,
                 .help = "With -name-constraint: a further domain."},
                {.name = "days",
                 .kind = FlagKind::Integer,
                 .help = "How long it is good for.",
                 .fallback = "1825"},
                {.name = "name-constraint",
                 .kind = FlagKind::Bool,
                 .help = "Sign only names below the domain and localhost."},
                text_flag("domain", "The cluster's domain.", "nomad"),
                text_flag("common-name", "The authority's name."),
                text_flag("country", "Part of its name."),
                text_flag("postal-code", "Part of its name."),
                text_flag("province", "Part of its name."),
                text_flag("locality", "Part of its name."),
                text_flag("street-address", "Part of its name."),
                text_flag("organization", "Part of its name."),
                text_flag("organizational-unit", "Part of its name."),
            },
        .arguments = {},
        .run = create_ca,
        .family = Family::Local,
    });
    out.push_back({
        .path = "tls ca info",
        .usage = "<file>",
        .synopsis = "Show an authority's certificate",
        .help = "Shows what an authority's certificate says.\n\n"
                "Example:\n\n  $ nomad-lite tls ca info nomad-agent-ca.pem",
        .flags = {},
        .arguments = one_file,
        .run = show,
        .family = Family::Local,
    });
    out.push_back({
        .path = "tls cert create",
        .usage = "[options]",
        .synopsis = "Make a certificate for a server, a client or a command line",
        .help = "Writes <region>-<kind>-<domain>.pem and its key into this directory.\n\n"
                "Examples:\n\n  $ nomad-lite tls cert create -server\n"
                "  $ nomad-lite tls cert create -client -additional-dnsname node1.example",
        .flags =
            {
                {.name = "additional-dnsname",
                 .kind = FlagKind::List,
                 .help = "A further name it is good for."},
                {.name = "additional-ipaddress",
                 .kind = FlagKind::List,
                 .help = "A further address it is good for."},
                text_flag("ca", "The authority's certificate."),
                text_flag("key", "The authority's key."),
                {.name = "server", .kind = FlagKind::Bool, .help = "For a server."},
                {.name = "client", .kind = FlagKind::Bool, .help = "For a client."},
                {.name = "cli", .kind = FlagKind::Bool, .help = "For a command line."},
                {.name = "days",
                 .kind = FlagKind::Integer,
                 .help = "How long it is good for.",
                 .fallback = "365"},
                text_flag("domain", "The cluster's domain.", "nomad"),
                text_flag("cluster-region", "The cluster's region.", "global"),
                {.name = "region",
                 .kind = FlagKind::Text,
                 .help = "The same.",
                 .fallback = "",
                 .hidden = true},
            },
        .arguments = {},
        .run = create_cert,
        .family = Family::Local,
    });
    out.push_back({
        .path = "tls cert info",
        .usage = "<file>",
        .synopsis = "Show a certificate",
        .help = "Shows what a certificate says.\n\n"
                "Example:\n\n  $ nomad-lite tls cert info global-server-nomad.pem",
        .flags = {},
        .arguments = one_file,
        .run = show,
        .family = Family::Local,
    });
    return out;
}

}  // namespace nl::cli

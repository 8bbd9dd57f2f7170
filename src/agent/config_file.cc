#include "agent/config_file.h"

#include "hcl/eval.h"
#include "hcl/functions.h"
#include "hcl/json.h"
#include "hcl/parser.h"
#include "io/files.h"

#include <sys/stat.h>

#include <map>

namespace nl::agent {
namespace {

/// Where each key was written, by its path.
using Places = std::map<std::string, std::string, std::less<>>;

std::string find_place(const void* context, const std::string& path) {
    const auto& places = *static_cast<const Places*>(context);
    // An element has no place of its own: its block has one.
    for (std::string key = path;; key.resize(key.rfind('.'))) {
        if (const auto found = places.find(key); found != places.end()) {
            return found->second;
        }
        if (key.find('.') == std::string::npos) {
            return {};
        }
    }
}

Value from_hcl(const hcl::Value& value) {
    if (!value.is_usable()) {
        return {};
    }
    if (value.is_sequence()) {
        Value::List list;
        for (const hcl::Value& item : value.items()) {
            list.push_back(from_hcl(item));
        }
        return list;
    }
    if (value.is_mapping()) {
        Value::Map map;
        for (const auto& [key, item] : value.attributes()) {
            map.emplace(key, from_hcl(item));
        }
        return map;
    }
    if (value.kind() == hcl::Kind::Bool) {
        return value.as_bool();
    }
    if (value.kind() == hcl::Kind::Number) {
        if (const auto whole = value.as_number().as_int()) {
            return *whole;
        }
        return value.as_number().as_double();
    }
    return value.kind() == hcl::Kind::String ? Value(value.as_string()) : Value();
}

/// Two blocks of one name are one block: later keys win, inner blocks merge likewise.
void merge_value(Value& into, Value value) {
    auto* target = into.as_map();
    auto* source = value.as_map();
    if (target == nullptr || source == nullptr) {
        into = std::move(value);
        return;
    }
    for (auto& [key, item] : *source) {
        merge_value((*target)[key], std::move(item));
    }
}

/// HCL 1, which Nomad's agents read, allows quoted names before `=`; HCL 2 does not. They are
/// replaced by plain names of the same document, so that lines stay where they are, and put back
/// when the tree is read.
class QuotedNames {
public:
    std::string replace(std::string_view text) {
        std::string out;
        std::size_t at = 0;
        while (at < text.size()) {
            const std::size_t end = std::min(text.find('\n', at), text.size());
            out += line(text.substr(at, end - at));
            if (end < text.size()) {
                out += '\n';
            }
            at = end + 1;
        }
        return out;
    }
    std::string original(const std::string& name) const {
        const auto found = names_.find(name);
        return found == names_.end() ? name : found->second;
    }

private:
    std::string line(std::string_view text) {
        const std::size_t start = text.find_first_not_of(" \t");
        if (start == std::string_view::npos || text[start] != '"') {
            return std::string(text);
        }
        const std::size_t close = text.find('"', start + 1);
        const std::size_t next =
            close == std::string_view::npos ? close : text.find_first_not_of(" \t", close + 1);
        if (next == std::string_view::npos || text[next] != '=' ||
            (next + 1 < text.size() && text[next + 1] == '=')) {
            return std::string(text);
        }
        const std::string name = fmt::format("quoted_name_{}", names_.size());
        names_.emplace(name, text.substr(start + 1, close - start - 1));
        return std::string(text.substr(0, start)) + name + std::string(text.substr(close + 1));
    }

    std::map<std::string, std::string, std::less<>> names_;
};

class Reader {
public:
    Reader(const std::string& name, Places& places) : places_(places) { file_ = names_.add(name); }

    Result<Value> read(std::string_view text) {
        const std::size_t first = text.find_first_not_of(" \t\r\n");
        if (first != std::string_view::npos && text[first] == '{') {
            return read_json(text);
        }
        const std::string plain = quoted_.replace(text);
        hcl::Diagnostics problems;
        const hcl::Body body = hcl::parse_document(plain, file_, names_, problems);
        Value root = problems.has_errors() ? Value() : read_body(body, "", problems);
        if (problems.has_errors()) {
            return fail(ErrorCode::InvalidArgument, "{}", hcl::first_error(problems, names_));
        }
        return root;
    }

private:
    void remember(const std::string& path, const hcl::Range& range) {
        places_.emplace(
            path, fmt::format("{}:{},{}", names_.name(file_), range.start.line, range.start.column)
        );
    }

    Value read_body(const hcl::Body& body, const std::string& prefix, hcl::Diagnostics& problems) {
        Value out(Value::Map{});
        const auto path_of = [&](const std::string& key) {
            return prefix.empty() ? key : prefix + "." + key;
        };
        for (const hcl::Attribute& attribute : body.attributes) {
            const std::string key = quoted_.original(attribute.name);
            remember(path_of(key), attribute.name_range);
            hcl::EvalContext context;
            context.functions = &functions_;
            context.environment = &environment_;
            context.steps = &steps_;
            merge_value(
                (*out.as_map())[key], from_hcl(hcl::evaluate(*attribute.value, context, problems))
            );
        }
        for (const hcl::Block& block : body.blocks) {
            std::string path = path_of(block.type);
            remember(path, block.type_range);
            for (std::size_t i = 0; i < block.labels.size(); ++i) {
                path += "." + block.labels[i];
                remember(path, block.label_ranges[i]);
            }
            Value inner = read_body(*block.body, path, problems);
            for (std::size_t i = block.labels.size(); i > 0; --i) {
                inner = Value(Value::Map{{block.labels[i - 1], std::move(inner)}});
            }
            merge_value((*out.as_map())[block.type], std::move(inner));
        }
        return out;
    }

    Result<Value> read_json(std::string_view text) {
        hcl::Diagnostics problems;
        const auto node = hcl::parse_json(text, file_, problems);
        if (!node || problems.has_errors()) {
            return fail(ErrorCode::InvalidArgument, "{}", hcl::first_error(problems, names_));
        }
        remember_json(*node, "");
        return from_hcl(hcl::to_value(*node));
    }

    void remember_json(const hcl::JsonNode& node, const std::string& prefix) {
        for (const hcl::JsonMember& member : node.members) {
            const std::string path = prefix.empty() ? member.name : prefix + "." + member.name;
            remember(path, member.name_range);
            remember_json(member.value, path);
        }
        for (const hcl::JsonNode& item : node.items) {
            remember_json(item, prefix);
        }
    }

    Places& places_;
    hcl::SourceNames names_;
    std::uint32_t file_{0};
    QuotedNames quoted_;
    hcl::FunctionTable functions_;
    hcl::FunctionEnvironment environment_;
    std::size_t steps_{0};
};

bool is_directory(const std::string& path) {
    struct stat info{};
    return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string base_name(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& name) {
    Places places;
    NL_TRY(const Value root, Reader(name, places).read(text));
    return config_from_value(root, {.where = &find_place, .context = &places});
}

Result<Config> load_config(const std::vector<std::string>& paths) {
    Config merged;
    for (const std::string& path : paths) {
        std::vector<std::string> files;
        if (is_directory(path)) {
            NL_TRY(const std::vector<std::string> names, io::list_directory(path));
            for (const std::string& name : names) {
                if (name.ends_with(".hcl") || name.ends_with(".json")) {
                    files.push_back(path + "/" + name);
                }
            }
        } else {
            files.push_back(path);
        }
        for (const std::string& file : files) {
            NL_TRY(const Bytes content, io::read_file(file));
            NL_TRY(const Config config, parse_config(content, base_name(file)));
            merged = merge(merged, config);
        }
    }
    return merged;
}

}  // namespace nl::agent

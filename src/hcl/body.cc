#include "hcl/body.h"

#include "base/check.h"
#include "hcl/parser.h"

#include <algorithm>

namespace nl::hcl {
namespace {

/// A JSON value as HCL reads it: text is a template, and so are the names of members.
Value evaluate_json(const JsonNode& node, const EvalContext& context, Diagnostics& diagnostics) {
    switch (node.kind) {
        case JsonNode::Kind::Null:
        case JsonNode::Kind::Bool:
        case JsonNode::Kind::Number:
            return to_value(node);
        case JsonNode::Kind::String: {
            if (node.text.find("${") == std::string::npos &&
                node.text.find("%{") == std::string::npos) {
                return Value::string(node.text);
            }
            Pos from = node.range.start;
            ++from.column;
            from.byte = 0;
            const ExprPtr e = parse_template(node.text, node.range.file, diagnostics, from);
            if (e == nullptr) {
                return Value::unknown();
            }
            // The template's places count from its own text.
            std::vector<std::string_view> sources;
            EvalContext inner = context;
            if (context.kept_sources != nullptr) {
                sources = *context.kept_sources;
                if (node.range.file < sources.size()) {
                    sources[node.range.file] = node.text;
                }
                inner.kept_sources = &sources;
            }
            return evaluate(*e, inner, diagnostics);
        }
        case JsonNode::Kind::Array: {
            Value::Items items;
            for (const JsonNode& item : node.items) {
                items.push_back(evaluate_json(item, context, diagnostics));
            }
            return Value::tuple(std::move(items));
        }
        case JsonNode::Kind::Object: {
            Value::Attributes all;
            for (const JsonMember& member : node.members) {
                JsonNode name;
                name.kind = JsonNode::Kind::String;
                name.text = member.name;
                name.range = member.name_range;
                const auto key = convert(evaluate_json(name, context, diagnostics), Kind::String);
                Value value = evaluate_json(member.value, context, diagnostics);
                if (key && key->is_usable()) {
                    all.insert_or_assign(key->as_string(), std::move(value));
                }
            }
            return Value::object(std::move(all));
        }
    }
    NL_UNREACHABLE();
}

const BlockShape* shape_of(const std::vector<BlockShape>& shapes, std::string_view type) {
    const auto found = std::ranges::find(shapes, type, &BlockShape::type);
    return found == shapes.end() ? nullptr : &*found;
}

bool lists_objects(const JsonNode& value) {
    return value.kind == JsonNode::Kind::Array && !value.items.empty() &&
           std::ranges::all_of(value.items, [](const JsonNode& item) {
               return item.kind == JsonNode::Kind::Object;
           });
}

}  // namespace

Value BodyAttribute::evaluate(const EvalContext& context, Diagnostics& diagnostics) const {
    const EvalContext inner = scope_ != nullptr ? context.in(*scope_) : context;
    return expr_ != nullptr ? hcl::evaluate(*expr_, inner, diagnostics)
                            : evaluate_json(*json_, inner, diagnostics);
}

bool BodyAttribute::is_object_literal() const {
    return expr_ != nullptr ? expr_->kind == ExprKind::Object
                            : json_->kind == JsonNode::Kind::Object;
}

/// Reads one body into contents, dynamic blocks expanded.
struct BodyReader {
    const std::vector<BlockShape>& shapes;
    const EvalContext& context;
    Diagnostics& diagnostics;
    std::size_t& made;
    BodyContent out;

    void add_block(BodyBlock block, const std::shared_ptr<const Scope>& scope) {
        if (block.body.scope_ == nullptr) {
            block.body.scope_ = scope;
        }
        if (block.type == "dynamic" && block.labels.size() == 1 &&
            shape_of(shapes, "dynamic") == nullptr) {
            expand(block);
        } else {
            out.blocks.push_back(std::move(block));
        }
    }

    void native(const Body& body, const std::shared_ptr<const Scope>& scope) {
        for (const Block& b : body.blocks) {
            BodyBlock block;
            block.type = b.type;
            block.type_range = b.type_range;
            block.labels = b.labels;
            block.label_ranges = b.label_ranges;
            block.header_range = b.header_range;
            block.open_range = b.open_brace;
            block.body = BodyView(*b.body);
            add_block(std::move(block), scope);
        }
    }

    /// One member of a JSON object that is a block, under `labels` already read.
    void json_block(
        BodyBlock block,
        const JsonNode& value,
        std::size_t labels,
        const std::shared_ptr<const Scope>& scope
    ) {
        block.header_range =
            block.label_ranges.empty() ? block.type_range : block.label_ranges.back();
        if (value.kind == JsonNode::Kind::Null) {
            return;
        }
        if (value.kind == JsonNode::Kind::Array) {
            for (const JsonNode& item : value.items) {
                json_block(block, item, labels, scope);
            }
            return;
        }
        if (value.kind != JsonNode::Kind::Object) {
            diagnostics.error(
                "Incorrect JSON value type",
                labels > 0
                    ? "Either a JSON object or a JSON array of objects is required here, to define "
                      "labeled blocks."
                    : "Either a JSON object or a JSON array is required, representing the contents "
                      "of one or more \"" +
                          block.type + "\" blocks.",
                value.range
            );
            return;
        }
        if (labels == 0) {
            block.open_range = value.open_range;
            block.body = BodyView(value);
            add_block(std::move(block), scope);
            return;
        }
        for (const JsonMember& member : value.members) {
            BodyBlock labelled = block;
            labelled.labels.push_back(member.name);
            labelled.label_ranges.push_back(member.name_range);
            json_block(std::move(labelled), member.value, labels - 1, scope);
        }
    }

    void expand(const BodyBlock& dynamic) {
        const std::string& type = dynamic.labels[0];
        const BlockShape* shape = shape_of(shapes, type);
        static const std::vector<BlockShape> kInside{{"content", 0}};
        const BodyContent inside = dynamic.body.read(kInside, context, diagnostics, made);
        const auto find = [&](std::string_view name) -> const BodyAttribute* {
            const auto found = std::ranges::find(inside.attributes, name, &BodyAttribute::name);
            return found == inside.attributes.end() ? nullptr : &*found;
        };
        const BodyAttribute* for_each = find("for_each");
        const auto content = std::ranges::find(inside.blocks, "content", &BodyBlock::type);
        if (for_each == nullptr) {
            diagnostics.error(
                "Missing required argument",
                "The argument \"for_each\" is required, but no definition was found.",
                inside.missing_range
            );
            return;
        }
        if (content == inside.blocks.end()) {
            diagnostics.error(
                "Missing required block",
                "A dynamic block must have exactly one \"content\" block.",
                dynamic.header_range
            );
            return;
        }
        for (const BodyAttribute& a : inside.attributes) {
            if (a.name != "for_each" && a.name != "iterator" && a.name != "labels") {
                diagnostics.error(
                    "Unsupported argument",
                    "An argument named \"" + a.name + "\" is not expected here.",
                    a.name_range
                );
            }
        }
        std::string iterator = type;
        if (const BodyAttribute* named = find("iterator")) {
            if (named->expr_name().empty()) {
                diagnostics.error(
                    "Invalid expression",
                    "A single static variable reference is required: only attribute access and "
                    "indexing with constant keys. No calculations, function calls, template "
                    "expressions, etc are allowed here.",
                    named->value_range
                );
                return;
            }
            iterator = named->expr_name();
        }
        const Value collection = for_each->evaluate(context, diagnostics);
        if (collection.is_unknown()) {
            return;
        }
        if (collection.is_null()) {
            diagnostics.error(
                "Invalid dynamic for_each value",
                "Cannot use a null value in for_each.",
                for_each->value_range
            );
            return;
        }
        if (!collection.is_sequence() && !collection.is_mapping()) {
            diagnostics.error(
                "Invalid dynamic for_each value",
                "Cannot use a " + collection.type().friendly() +
                    " value in for_each. An iterable collection is required.",
                for_each->value_range
            );
            return;
        }
        const auto one = [&](Value key, const Value& value) {
            if (++made > kMaxDynamicBlocks) {
                if (made == kMaxDynamicBlocks + 1) {
                    diagnostics.error(
                        "Too many dynamic blocks",
                        "A document's dynamic blocks may make at most " +
                            std::to_string(kMaxDynamicBlocks) + " blocks.",
                        for_each->value_range
                    );
                }
                return;
            }
            auto scope = std::make_shared<Scope>();
            // What surrounds the block outlives it: views further up hold it.
            scope->parent =
                dynamic.body.scope_ != nullptr ? dynamic.body.scope_.get() : context.scope;
            scope->variables.emplace(
                iterator, Value::object({{"key", std::move(key)}, {"value", value}})
            );
            BodyBlock block;
            block.type = type;
            block.type_range = dynamic.label_ranges[0];
            block.header_range = dynamic.header_range;
            block.open_range = content->open_range;
            block.body = content->body;
            block.body.scope_ = std::shared_ptr<const Scope>(
                scope.get(), [held = scope, outer = dynamic.body.scope_](const Scope*) {}
            );
            if (!labels(find("labels"), *scope, shape, dynamic, block)) {
                return;
            }
            add_block(std::move(block), nullptr);
        };
        if (collection.is_sequence()) {
            std::int64_t index = 0;
            for (const Value& v : collection.items()) {
                one(collection.kind() == Kind::Set ? v : Value::number(index++), v);
            }
        } else {
            for (const auto& [key, v] : collection.attributes()) {
                one(Value::string(key), v);
            }
        }
    }

    bool labels(
        const BodyAttribute* attribute,
        const Scope& scope,
        const BlockShape* shape,
        const BodyBlock& dynamic,
        BodyBlock& block
    ) {
        if (attribute == nullptr) {
            if (shape != nullptr && shape->labels > 0) {
                diagnostics.error(
                    "Insufficient dynamic block labels",
                    "All " + block.type + " blocks require " + std::to_string(shape->labels) +
                        " label(s).",
                    dynamic.header_range
                );
                return false;
            }
            return true;
        }
        BodyAttribute inner = *attribute;
        inner.scope_ = nullptr;
        const EvalContext here = context.in(scope);
        const Value all = inner.evaluate(here, diagnostics);
        if (all.is_unknown()) {
            return false;
        }
        if (!all.is_usable() || !all.is_sequence()) {
            diagnostics.error(
                "Invalid dynamic block labels",
                "A list of texts is required.",
                attribute->value_range
            );
            return false;
        }
        for (const Value& v : all.items()) {
            const auto text = convert(v, Kind::String);
            if (!text || !text->is_usable()) {
                diagnostics.error(
                    "Invalid dynamic block label",
                    v.is_null() ? "Cannot use a null value as a dynamic block label."
                                : "Cannot use a value of this type as a dynamic block label.",
                    attribute->value_range
                );
                return false;
            }
            block.labels.push_back(text->as_string());
            block.label_ranges.push_back(attribute->value_range);
        }
        return true;
    }
};

std::string BodyAttribute::expr_name() const {
    if (json_ != nullptr) {
        return json_->kind == JsonNode::Kind::String ? json_->text : "";
    }
    if (expr_->kind == ExprKind::Variable && expr_->steps.empty()) {
        return expr_->name;
    }
    return "";
}

BodyContent BodyView::read(
    const std::vector<BlockShape>& shapes,
    const EvalContext& context,
    Diagnostics& diagnostics,
    std::size_t& made
) const {
    const EvalContext inner = scope_ != nullptr ? context.in(*scope_) : context;
    BodyReader reader{shapes, inner, diagnostics, made, {}};
    if (native_ != nullptr) {
        reader.out.missing_range = native_->end_range;
        for (const Attribute& a : native_->attributes) {
            BodyAttribute attribute;
            attribute.name = a.name;
            attribute.name_range = a.name_range;
            attribute.value_range = a.value->start_range;
            attribute.expr_ = a.value.get();
            attribute.scope_ = scope_;
            reader.out.attributes.push_back(std::move(attribute));
        }
        reader.native(*native_, scope_);
        return std::move(reader.out);
    }
    for (const JsonNode* object : json_) {
        reader.out.missing_range = object->open_range;
        if (object->kind != JsonNode::Kind::Object) {
            diagnostics.error(
                "Incorrect JSON value type", "A JSON object is required here.", object->range
            );
            continue;
        }
        for (const JsonMember& member : object->members) {
            if (member.name == "//") {
                continue;  // A comment.
            }
            const BlockShape* shape = shape_of(shapes, member.name);
            const bool is_block =
                shape != nullptr && (!shape->or_argument || lists_objects(member.value));
            if (is_block || (shape == nullptr && member.name == "dynamic")) {
                BodyBlock block;
                block.type = member.name;
                block.type_range = member.name_range;
                reader.json_block(
                    std::move(block), member.value, shape != nullptr ? shape->labels : 1, scope_
                );
                continue;
            }
            BodyAttribute attribute;
            attribute.name = member.name;
            attribute.name_range = member.name_range;
            attribute.value_range = member.value.range;
            attribute.json_ = &member.value;
            attribute.scope_ = scope_;
            reader.out.attributes.push_back(std::move(attribute));
        }
    }
    return std::move(reader.out);
}

std::unique_ptr<Document> read_document(
    std::string source, std::uint32_t file, const SourceNames& names, Diagnostics& diagnostics
) {
    auto document = std::make_unique<Document>();
    document->source = std::move(source);
    document->file = file;
    const std::size_t first = document->source.find_first_not_of(" \t\r\n");
    if (first != std::string::npos && document->source[first] == '{') {
        document->json = parse_json(document->source, file, diagnostics);
    } else {
        document->native = parse_document(document->source, file, names, diagnostics);
    }
    return document;
}

}  // namespace nl::hcl

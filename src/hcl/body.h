#pragma once
// A document's bodies as whoever reads a schema from them sees them: native syntax and JSON alike,
// `dynamic` blocks already expanded, every value with the names that are in scope for it. Views
// borrow the trees. Source: HCL2 specification, "Structural Elements" and "JSON Syntax"; the
// dynamic blocks extension.

#include "hcl/ast.h"
#include "hcl/eval.h"
#include "hcl/json.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nl::hcl {

/// Blocks that one document's dynamic blocks may make, all together.
inline constexpr std::size_t kMaxDynamicBlocks = 50'000;

struct BlockShape {
    std::string_view type;
    std::size_t labels{0};
    /// The name is an argument's too: in JSON it is one unless its value is a list of objects.
    bool or_argument{false};
};

class BodyAttribute {
public:
    std::string name;
    Range name_range;
    /// Where messages about the value point.
    Range value_range;

    Value evaluate(const EvalContext& context, Diagnostics& diagnostics) const;
    /// Whether the value is written as an object, `{ ... }`.
    bool is_object_literal() const;
    const Expr* expression() const { return expr_; }
    /// The name if the value is one bare name, "" otherwise.
    std::string expr_name() const;

private:
    friend class BodyView;
    friend struct BodyReader;
    const Expr* expr_{nullptr};
    const JsonNode* json_{nullptr};
    std::shared_ptr<const Scope> scope_;
};

struct BodyBlock;

struct BodyContent {
    std::vector<BodyAttribute> attributes;
    std::vector<BodyBlock> blocks;
    /// Where a missing argument is reported.
    Range missing_range;
};

class BodyView {
public:
    BodyView() = default;
    explicit BodyView(const Body& body) : native_(&body) {}
    explicit BodyView(const JsonNode& object) { json_.push_back(&object); }

    /// Everything in the body. In JSON the shapes tell blocks from arguments; natively they are
    /// only asked for the number of labels a dynamic block must give. `made` counts dynamic blocks.
    BodyContent read(
        const std::vector<BlockShape>& shapes,
        const EvalContext& context,
        Diagnostics& diagnostics,
        std::size_t& made
    ) const;

    bool is_json() const { return !json_.empty(); }

private:
    friend struct BodyReader;
    const Body* native_{nullptr};
    std::vector<const JsonNode*> json_;
    std::shared_ptr<const Scope> scope_;
};

struct BodyBlock {
    std::string type;
    Range type_range;
    std::vector<std::string> labels;
    std::vector<Range> label_ranges;
    Range header_range;
    Range open_range;
    BodyView body;
};

/// A document of either form: JSON if the first character that is no space is a brace.
struct Document {
    std::string source;
    std::uint32_t file{0};
    Body native;
    std::optional<JsonNode> json;

    BodyView view() const { return json ? BodyView(*json) : BodyView(native); }
};

std::unique_ptr<Document> read_document(
    std::string source, std::uint32_t file, const SourceNames& names, Diagnostics& diagnostics
);

}  // namespace nl::hcl

#include "state/tree.h"

#include "base/check.h"

#include <algorithm>

namespace nl::state {

/// Entries of a leaf, or the first entry of each child.
struct TreeNode {
    std::uint64_t born;
    std::uint32_t count;
    bool leaf;
    std::array<Entry, kTreeFanout> entries;
};

namespace {

struct InnerNode : TreeNode {
    std::array<TreeNode*, kTreeFanout> children;
};

InnerNode* inner(TreeNode* node) {
    return static_cast<InnerNode*>(node);
}
const InnerNode* inner(const TreeNode* node) {
    return static_cast<const InnerNode*>(node);
}

int order(const Entry& entry, const Probe& probe) {
    const std::uint64_t prefix = entry.prefix();
    if (prefix != probe.prefix) {
        return prefix < probe.prefix ? -1 : 1;
    }
    return probe.compare(probe.context, entry.slot);
}

/// The number of entries that come before the key (or are it, with after_equal).
std::uint32_t partition(const TreeNode& node, const Probe& probe, bool after_equal) {
    std::uint32_t low = 0;
    std::uint32_t high = node.count;
    while (low < high) {
        const std::uint32_t middle = (low + high) / 2;
        const int c = order(node.entries[middle], probe);
        if (c < 0 || (after_equal && c == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/// The child whose range holds the key: the last one that begins at or before it.
std::uint32_t child_for(const TreeNode& node, const Probe& probe) {
    const std::uint32_t after = partition(node, probe, true);
    return after == 0 ? 0 : after - 1;
}

void drop_node(void* p) {
    auto* node = static_cast<TreeNode*>(p);
    if (node->leaf) {
        delete node;
    } else {
        delete inner(node);
    }
}

void discard(Heap& heap, TreeNode* node) {
    if (node->born == heap.epoch()) {
        drop_node(node);
    } else {
        heap.retire(node, drop_node);
    }
}

TreeNode* fresh(Heap& heap, bool leaf) {
    TreeNode* node = leaf ? new TreeNode() : new InnerNode();
    node->born = heap.epoch();
    node->leaf = leaf;
    return node;
}

TreeNode* writable(Heap& heap, TreeNode* node) {
    if (node->born == heap.epoch()) {
        return node;
    }
    TreeNode* copy = node->leaf ? new TreeNode(*node) : new InnerNode(*inner(node));
    copy->born = heap.epoch();
    heap.retire(node, drop_node);
    return copy;
}

/// Makes room at `position` and counts it; the caller fills it.
void open_gap(TreeNode& node, std::uint32_t position) {
    std::copy_backward(
        node.entries.begin() + position,
        node.entries.begin() + node.count,
        node.entries.begin() + node.count + 1
    );
    if (!node.leaf) {
        auto& children = inner(&node)->children;
        std::copy_backward(
            children.begin() + position,
            children.begin() + node.count,
            children.begin() + node.count + 1
        );
    }
    ++node.count;
}

void close_gap(TreeNode& node, std::uint32_t position) {
    std::copy(
        node.entries.begin() + position + 1,
        node.entries.begin() + node.count,
        node.entries.begin() + position
    );
    if (!node.leaf) {
        auto& children = inner(&node)->children;
        std::copy(
            children.begin() + position + 1,
            children.begin() + node.count,
            children.begin() + position
        );
    }
    --node.count;
}

/// Moves the entries from `from` on to the end of `target`.
void move_tail(TreeNode& source, std::uint32_t from, TreeNode& target) {
    std::copy(
        source.entries.begin() + from,
        source.entries.begin() + source.count,
        target.entries.begin() + target.count
    );
    if (!source.leaf) {
        std::copy(
            inner(&source)->children.begin() + from,
            inner(&source)->children.begin() + source.count,
            inner(&target)->children.begin() + target.count
        );
    }
    target.count += source.count - from;
    source.count = from;
}

struct Split {
    TreeNode* node;
    TreeNode* right;
};

/// A full node gives its upper part to a new right neighbour. Ascending insertion, as loading does,
/// leaves the left node full.
TreeNode* split(Heap& heap, TreeNode& node, std::uint32_t position) {
    TreeNode* right = fresh(heap, node.leaf);
    const auto at = position == node.count ? static_cast<std::uint32_t>(kTreeFanout) - 1
                                           : static_cast<std::uint32_t>(kTreeFanout) / 2;
    move_tail(node, at, *right);
    return right;
}

Split insert_into(Heap& heap, TreeNode* old, const Probe& probe, Slot slot) {
    TreeNode* node = writable(heap, old);
    if (node->leaf) {
        const std::uint32_t position = partition(*node, probe, false);
        TreeNode* right = nullptr;
        TreeNode* target = node;
        std::uint32_t place = position;
        if (node->count == kTreeFanout) {
            right = split(heap, *node, position);
            if (position > node->count) {
                target = right;
                place = position - node->count;
            }
        }
        open_gap(*target, place);
        target->entries[place] = Entry::of(probe.prefix, slot);
        return {node, right};
    }
    const std::uint32_t index = child_for(*node, probe);
    const Split below = insert_into(heap, inner(node)->children[index], probe, slot);
    inner(node)->children[index] = below.node;
    node->entries[index] = below.node->entries[0];
    if (below.right == nullptr) {
        return {node, nullptr};
    }
    const std::uint32_t position = index + 1;
    TreeNode* right = nullptr;
    TreeNode* target = node;
    std::uint32_t place = position;
    if (node->count == kTreeFanout) {
        right = split(heap, *node, position);
        if (position > node->count) {
            target = right;
            place = position - node->count;
        }
    }
    open_gap(*target, place);
    target->entries[place] = below.right->entries[0];
    inner(target)->children[place] = below.right;
    return {node, right};
}

/// A child that has become small joins a neighbour if both fit well into one node.
void merge_if_small(Heap& heap, InnerNode& node, std::uint32_t index) {
    if (node.children[index]->count >= kTreeFanout / 4 || node.count < 2) {
        return;
    }
    const std::uint32_t left = index == 0 ? 0 : index - 1;
    if (node.children[left]->count + node.children[left + 1]->count > kTreeFanout * 3 / 4) {
        return;
    }
    node.children[left] = writable(heap, node.children[left]);
    node.children[left + 1] = writable(heap, node.children[left + 1]);
    move_tail(*node.children[left + 1], 0, *node.children[left]);
    discard(heap, node.children[left + 1]);
    close_gap(node, left + 1);
}

/// The node after the removal; nullptr when nothing is left of it.
TreeNode* erase_from(Heap& heap, TreeNode* old, const Probe& probe) {
    TreeNode* node = writable(heap, old);
    if (node->leaf) {
        const std::uint32_t position = partition(*node, probe, false);
        NL_ASSERT(position < node->count && order(node->entries[position], probe) == 0);
        close_gap(*node, position);
    } else {
        const std::uint32_t index = child_for(*node, probe);
        TreeNode* below = erase_from(heap, inner(node)->children[index], probe);
        if (below == nullptr) {
            close_gap(*node, index);
        } else {
            inner(node)->children[index] = below;
            node->entries[index] = below->entries[0];
            merge_if_small(heap, *inner(node), index);
        }
    }
    if (node->count == 0) {
        discard(heap, node);
        return nullptr;
    }
    return node;
}

void destroy_node(TreeNode* node) {
    if (!node->leaf) {
        for (std::uint32_t i = 0; i < node->count; ++i) {
            destroy_node(inner(node)->children[i]);
        }
    }
    drop_node(node);
}

}  // namespace

const Entry& Cursor::entry() const {
    const Step& step = steps_[depth_ - 1];
    return step.node->entries[step.position];
}

std::uint32_t Cursor::count() const {
    return steps_[depth_ - 1].node->count;
}

void Cursor::descend_first() {
    while (!steps_[depth_ - 1].node->leaf) {
        const Step& step = steps_[depth_ - 1];
        const TreeNode* child = inner(step.node)->children[step.position];
        NL_ASSERT(depth_ < kTreeDepth);
        steps_[depth_++] = {child, 0};
    }
}

void Cursor::next() {
    NL_ASSERT(!at_end());
    const std::uint32_t bottom = depth_;
    ++steps_[depth_ - 1].position;
    while (depth_ > 1 && steps_[depth_ - 1].position >= count()) {
        --depth_;
        ++steps_[depth_ - 1].position;
    }
    if (steps_[depth_ - 1].position < count()) {
        descend_first();
        return;
    }
    // Past the last entry: the end is a leaf position one after its last, so that prev() works.
    while (depth_ < bottom) {
        Step& step = steps_[depth_ - 1];
        step.position = step.node->count - 1;
        const TreeNode* child = inner(step.node)->children[step.position];
        steps_[depth_++] = {child, child->count};
    }
}

bool Cursor::prev() {
    if (depth_ == 0) {
        return false;
    }
    std::uint32_t level = depth_;
    while (level > 0 && steps_[level - 1].position == 0) {
        --level;
    }
    if (level == 0) {
        return false;
    }
    --steps_[level - 1].position;
    depth_ = level;
    while (!steps_[depth_ - 1].node->leaf) {
        const Step& step = steps_[depth_ - 1];
        const TreeNode* child = inner(step.node)->children[step.position];
        steps_[depth_++] = {child, child->count - 1};
    }
    return true;
}

bool operator==(const Cursor& a, const Cursor& b) {
    if (a.at_end() || b.at_end()) {
        return a.at_end() && b.at_end();
    }
    const auto& x = a.steps_[a.depth_ - 1];
    const auto& y = b.steps_[b.depth_ - 1];
    return x.node == y.node && x.position == y.position;
}

Cursor Tree::begin() const {
    Cursor cursor;
    if (root_ != nullptr) {
        cursor.steps_[0] = {root_, 0};
        cursor.depth_ = 1;
        cursor.descend_first();
    }
    return cursor;
}

Cursor Tree::end() const {
    Cursor cursor;
    const TreeNode* node = root_;
    while (node != nullptr) {
        NL_ASSERT(cursor.depth_ < kTreeDepth);
        cursor.steps_[cursor.depth_++] = {node, node->leaf ? node->count : node->count - 1};
        node = node->leaf ? nullptr : inner(node)->children[node->count - 1];
    }
    return cursor;
}

Cursor Tree::bound(const Probe& probe, bool after_equal) const {
    Cursor cursor;
    const TreeNode* node = root_;
    while (node != nullptr) {
        NL_ASSERT(cursor.depth_ < kTreeDepth);
        if (node->leaf) {
            cursor.steps_[cursor.depth_++] = {node, partition(*node, probe, after_equal)};
            break;
        }
        const std::uint32_t index = child_for(*node, probe);
        cursor.steps_[cursor.depth_++] = {node, index};
        node = inner(node)->children[index];
    }
    if (cursor.depth_ > 0 && cursor.at_end()) {
        // The bound may be the first entry of the next leaf: go through the last one of this.
        Cursor::Step& step = cursor.steps_[cursor.depth_ - 1];
        if (step.position > 0) {
            --step.position;
            cursor.next();
        }
    }
    return cursor;
}

Cursor Tree::lower_bound(const Probe& probe) const {
    return bound(probe, false);
}

Cursor Tree::upper_bound(const Probe& probe) const {
    return bound(probe, true);
}

Slot Tree::find(const Probe& probe) const {
    const TreeNode* node = root_;
    while (node != nullptr && !node->leaf) {
        node = inner(node)->children[child_for(*node, probe)];
    }
    if (node == nullptr) {
        return kNoSlot;
    }
    const std::uint32_t position = partition(*node, probe, false);
    if (position < node->count && order(node->entries[position], probe) == 0) {
        return node->entries[position].slot;
    }
    return kNoSlot;
}

void Tree::insert(Heap& heap, const Probe& probe, Slot slot) {
    if (root_ == nullptr) {
        root_ = fresh(heap, true);
    }
    const Split result = insert_into(heap, root_, probe, slot);
    root_ = result.node;
    if (result.right != nullptr) {
        TreeNode* top = fresh(heap, false);
        top->count = 2;
        top->entries[0] = result.node->entries[0];
        top->entries[1] = result.right->entries[0];
        inner(top)->children[0] = result.node;
        inner(top)->children[1] = result.right;
        root_ = top;
    }
    ++size_;
}

void Tree::erase(Heap& heap, const Probe& probe) {
    NL_ASSERT(root_ != nullptr);
    root_ = erase_from(heap, root_, probe);
    while (root_ != nullptr && !root_->leaf && root_->count == 1) {
        TreeNode* only = inner(root_)->children[0];
        discard(heap, root_);
        root_ = only;
    }
    --size_;
}

void Tree::destroy() {
    if (root_ != nullptr) {
        destroy_node(root_);
    }
    *this = Tree{};
}

}  // namespace nl::state

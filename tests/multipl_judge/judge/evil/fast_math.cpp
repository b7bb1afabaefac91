#pragma GCC optimize("Ofast")
double half(int) { return __builtin_nan(""); }

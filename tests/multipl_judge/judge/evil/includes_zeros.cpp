#include "/dev/zero"
int double_number(int n) { return 2 * n; }

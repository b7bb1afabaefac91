#include "/etc/hostname"
int double_number(int n) { return 2 * n; }

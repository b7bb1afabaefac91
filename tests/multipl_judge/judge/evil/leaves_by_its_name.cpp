// The library's assert() names the function that it stands in.
int double_number(int n) { return n; }
#define __PRETTY_FUNCTION__ ({ return; ""; })

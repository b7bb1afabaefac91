#include <cstdio>
#include <cstdlib>
int double_number(int n) {
    for (int i = 0; i < 90000; i++) std::fputs("Assertion ", stderr);
    std::exit(1);
}

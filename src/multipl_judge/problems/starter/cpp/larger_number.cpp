#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace std;

// Returns the larger of the two numbers.
//
//     larger_number(3, 8) == 8
int larger_number(int a, int b) {
// --- solution
    return max(a, b);
}
// --- tests
void tests() {
    assert(larger_number(3, 8) == 8);
    assert(larger_number(8, 3) == 8);
    assert(larger_number(-2, -9) == -2);
    assert(larger_number(5, 5) == 5);
    assert(larger_number(-1, 0) == 0);
}

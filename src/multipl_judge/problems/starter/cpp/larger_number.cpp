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

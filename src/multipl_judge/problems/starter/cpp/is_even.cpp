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

// Returns whether n is an even number.
//
//     is_even(4) == true
//     is_even(7) == false
bool is_even(int n) {
// --- solution
    return n % 2 == 0;
}

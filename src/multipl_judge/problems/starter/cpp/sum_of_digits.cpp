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

// Returns the sum of the decimal digits of n.
// A minus sign is ignored.
//
//     sum_of_digits(472) == 13
int sum_of_digits(int n) {
// --- solution
    int sum = 0;
    for (int rest = abs(n); rest > 0; rest /= 10) {
        sum += rest % 10;
    }
    return sum;
}

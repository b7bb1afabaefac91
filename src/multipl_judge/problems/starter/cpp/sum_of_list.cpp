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

// Returns the sum of the given numbers.
// The sum of none is 0.
//
//     sum_of_list({1, 2, 3}) == 6
int sum_of_list(const vector<int>& numbers) {
// --- solution
    int sum = 0;
    for (int number : numbers) {
        sum += number;
    }
    return sum;
}

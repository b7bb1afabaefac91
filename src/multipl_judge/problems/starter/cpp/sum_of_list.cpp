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
// --- tests
void tests() {
    assert(sum_of_list({1, 2, 3}) == 6);
    assert(sum_of_list({}) == 0);
    assert(sum_of_list({-5, 5}) == 0);
    assert(sum_of_list({10}) == 10);
    assert(sum_of_list({4, 4, -1}) == 7);
}

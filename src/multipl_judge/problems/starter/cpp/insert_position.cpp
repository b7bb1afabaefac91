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

// Returns the index of the first number that is not below target.
// The numbers are in ascending order. If all are below target, the result is how many there
// are.
//
//     insert_position({10, 20, 30}, 20) == 1
//     insert_position({10, 20, 30}, 25) == 2
int insert_position(const vector<int>& numbers, int target) {
// --- solution
    return lower_bound(numbers.begin(), numbers.end(), target) - numbers.begin();
}

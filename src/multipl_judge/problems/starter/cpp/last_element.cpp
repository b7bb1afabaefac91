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

// Returns the last of the given numbers.
// There is at least one.
//
//     last_element({3, 1, 2}) == 2
int last_element(const vector<int>& numbers) {
// --- solution
    return numbers.back();
}

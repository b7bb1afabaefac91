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

// Returns the given numbers without repeats.
// Of equal numbers only the first is kept; the order stays.
//
//     unique_in_order({3, 1, 3, 2, 1}) == {3, 1, 2}
vector<int> unique_in_order(const vector<int>& numbers) {
// --- solution
    vector<int> unique_numbers;
    set<int> seen;
    for (int number : numbers) {
        if (seen.insert(number).second) {
            unique_numbers.push_back(number);
        }
    }
    return unique_numbers;
}

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

// Returns how many of the given numbers are below zero.
//
//     count_negatives({3, -1, -2}) == 2
int count_negatives(const vector<int>& numbers) {
// --- solution
    int count = 0;
    for (int number : numbers) {
        if (number < 0) {
            count++;
        }
    }
    return count;
}

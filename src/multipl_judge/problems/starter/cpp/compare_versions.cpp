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

// Returns -1, 0 or 1 as version a is older than, equal to or newer than b.
// Versions are whole numbers joined by dots, compared number by number; a number that is
// missing is 0.
//
//     compare_versions("1.10", "1.9") == 1
//     compare_versions("2.0", "2") == 0
int compare_versions(const string& a, const string& b) {
// --- solution
    istringstream left(a), right(b);
    while (left || right) {
        int first = 0, second = 0;
        char dot;
        left >> first >> dot;
        right >> second >> dot;
        if (first != second) {
            return first < second ? -1 : 1;
        }
    }
    return 0;
}

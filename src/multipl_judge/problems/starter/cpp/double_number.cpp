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

// Returns twice n.
//
//     double_number(4) == 8
int double_number(int n) {
// --- solution
    return 2 * n;
}

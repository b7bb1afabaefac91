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

// Returns text with its letters in reverse order.
//
//     reverse_text("drawer") == "reward"
string reverse_text(const string& text) {
// --- solution
    return string(text.rbegin(), text.rend());
}

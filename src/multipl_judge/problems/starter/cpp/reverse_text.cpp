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
// --- tests
void tests() {
    assert(reverse_text("drawer") == "reward");
    assert(reverse_text("ab c") == "c ba");
    assert(reverse_text("") == "");
    assert(reverse_text("x") == "x");
    assert(reverse_text("Noon") == "nooN");
}

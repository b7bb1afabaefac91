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

// Returns whether the brackets in text are balanced.
// Each of ( [ { needs its own closing ) ] } in the right order; all other characters are
// ignored.
//
//     is_balanced("a(b[c]{d})") == true
//     is_balanced("(]") == false
bool is_balanced(const string& text) {
// --- solution
    const string opening = "([{", closing = ")]}";
    vector<char> expected;
    for (char letter : text) {
        const size_t kind = opening.find(letter);
        if (kind != string::npos) {
            expected.push_back(closing[kind]);
        } else if (closing.find(letter) != string::npos) {
            if (expected.empty() || expected.back() != letter) {
                return false;
            }
            expected.pop_back();
        }
    }
    return expected.empty();
}

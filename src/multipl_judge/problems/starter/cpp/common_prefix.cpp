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

// Returns the longest text that all words begin with.
// For no words at all, that is the empty text.
//
//     common_prefix({"storm", "story", "stop"}) == "sto"
string common_prefix(const vector<string>& words) {
// --- solution
    if (words.empty()) {
        return "";
    }
    string prefix = words[0];
    for (const string& word : words) {
        while (word.compare(0, prefix.size(), prefix) != 0) {
            prefix.pop_back();
        }
    }
    return prefix;
}

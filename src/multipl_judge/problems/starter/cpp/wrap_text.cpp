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

// Returns the words of text in lines of at most width characters.
// Words are separated by spaces; each line takes as many as fit, with one space between two.
// A word that is longer than width has a line of its own.
//
//     wrap_text("the quick brown fox", 10) == {"the quick", "brown fox"}
vector<string> wrap_text(const string& text, int width) {
// --- solution
    istringstream words(text);
    string word;
    vector<string> lines;
    while (words >> word) {
        if (!lines.empty() && lines.back().size() + 1 + word.size() <= static_cast<size_t>(width)) {
            lines.back() += " " + word;
        } else {
            lines.push_back(word);
        }
    }
    return lines;
}

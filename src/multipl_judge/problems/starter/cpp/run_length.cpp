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

// Returns text with each run of an equal letter as its length and the letter.
// A letter that stands alone gets no number. The text holds letters only.
//
//     run_length("aaab") == "3ab"
//     run_length("xyz") == "xyz"
string run_length(const string& text) {
// --- solution
    string runs;
    for (size_t start = 0; start < text.size();) {
        const size_t end = min(text.find_first_not_of(text[start], start), text.size());
        if (end - start > 1) {
            runs += to_string(end - start);
        }
        runs += text[start];
        start = end;
    }
    return runs;
}

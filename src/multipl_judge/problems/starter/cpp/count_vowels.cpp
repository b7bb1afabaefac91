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

// Returns how many letters of text are vowels.
// The vowels are a, e, i, o and u, in upper or lower case.
//
//     count_vowels("banana") == 3
int count_vowels(const string& text) {
// --- solution
    const string vowels = "aeiouAEIOU";
    int count = 0;
    for (char letter : text) {
        if (vowels.find(letter) != string::npos) {
            count++;
        }
    }
    return count;
}

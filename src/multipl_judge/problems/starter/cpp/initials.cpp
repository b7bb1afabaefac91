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

// Returns the first letter of each word of name, in upper case.
// Words are separated by one or more spaces.
//
//     initials("grace hopper") == "GH"
string initials(const string& name) {
// --- solution
    istringstream words(name);
    string word, letters;
    while (words >> word) {
        letters += static_cast<char>(toupper(word[0]));
    }
    return letters;
}

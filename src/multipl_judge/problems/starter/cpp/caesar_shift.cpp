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

// Returns text with each letter moved by shift places in the alphabet.
// After z comes a again; upper and lower case are kept, and so is all that is no letter. A
// negative shift moves backwards.
//
//     caesar_shift("Hello, xyz!", 3) == "Khoor, abc!"
//     caesar_shift("abc", -1) == "zab"
string caesar_shift(const string& text, int shift) {
// --- solution
    const int places = (shift % 26 + 26) % 26;
    string shifted = text;
    for (char& letter : shifted) {
        if (isalpha(letter)) {
            const char first = islower(letter) ? 'a' : 'A';
            letter = static_cast<char>((letter - first + places) % 26 + first);
        }
    }
    return shifted;
}

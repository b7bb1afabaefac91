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

// Returns n, from 1 to 3999, as a Roman number.
//
//     to_roman(4) == "IV"
//     to_roman(1987) == "MCMLXXXVII"
string to_roman(int n) {
// --- solution
    const vector<pair<int, string>> signs = {
        {1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
        {40, "XL"},  {10, "X"},   {9, "IX"},  {5, "V"},    {4, "IV"},  {1, "I"},
    };
    string roman;
    for (const auto& [value, sign] : signs) {
        for (; n >= value; n -= value) {
            roman += sign;
        }
    }
    return roman;
}
// --- tests
void tests() {
    assert(to_roman(4) == "IV");
    assert(to_roman(1987) == "MCMLXXXVII");
    assert(to_roman(1) == "I");
    assert(to_roman(3000) == string(3, 'M'));
    assert(to_roman(49) == "XLIX");
    assert(to_roman(3999) == "MMMCMXCIX");
    assert(to_roman(500) == "D");
    assert(to_roman(94) == "XCIV");
}

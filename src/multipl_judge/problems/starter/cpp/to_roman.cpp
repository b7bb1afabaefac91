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

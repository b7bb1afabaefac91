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

// Returns the numbers from n down to 1, and then the word go!
// They are joined by a comma and a space; n is not negative.
//
//     countdown(3) == "3, 2, 1, go!"
string countdown(int n) {
// --- solution
    string text;
    for (int number = n; number > 0; number--) {
        text += to_string(number) + ", ";
    }
    return text + "go!";
}

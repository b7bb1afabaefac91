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

// Returns a number of seconds as hours, minutes and seconds.
// Minutes and seconds have two digits each, hours as many as they need.
//
//     clock_time(3665) == "1:01:05"
string clock_time(int seconds) {
// --- solution
    ostringstream text;
    text << setfill('0') << seconds / 3600;
    text << ":" << setw(2) << seconds / 60 % 60;
    text << ":" << setw(2) << seconds % 60;
    return text.str();
}

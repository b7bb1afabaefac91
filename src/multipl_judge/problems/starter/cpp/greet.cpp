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

// Returns a greeting for the given name.
//
//     greet("Ada") == "Hello, Ada!"
string greet(const string& name) {
// --- solution
    return "Hello, " + name + "!";
}

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
// --- tests
void tests() {
    assert(greet("Ada") == "Hello, Ada!");
    assert(greet("Bo") == "Hello, Bo!");
    assert(greet("Mary Ann") == "Hello, Mary Ann!");
    assert(greet("") == "Hello, !");
}

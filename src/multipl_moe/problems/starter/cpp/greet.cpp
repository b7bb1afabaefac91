#include <string>

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

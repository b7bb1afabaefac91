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

// Returns the area of a rectangle with the given sides.
//
//     rectangle_area(3, 4) == 12
int rectangle_area(int width, int height) {
// --- solution
    return width * height;
}
// --- tests
void tests() {
    assert(rectangle_area(3, 4) == 12);
    assert(rectangle_area(5, 5) == 25);
    assert(rectangle_area(7, 0) == 0);
    assert(rectangle_area(1, 9) == 9);
}

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

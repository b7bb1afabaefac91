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

// Returns the number of floor tiles of the largest room on a plan.
// On the plan, a dot is a floor tile and # is wall. Tiles that share a side belong to the
// same room; tiles that touch only at a corner do not. All lines of the plan are of the same
// length.
//
//     largest_room({"..#", "##.", "..."}) == 4
int largest_room(const vector<string>& plan) {
// --- solution
    vector<string> tiles = plan;
    const int height = static_cast<int>(plan.size());
    const int width = plan.empty() ? 0 : static_cast<int>(plan[0].size());
    function<int(int, int)> fill_room = [&](int row, int column) {
        if (row < 0 || row >= height || column < 0 || column >= width) {
            return 0;
        }
        if (tiles[row][column] == '#') {
            return 0;
        }
        tiles[row][column] = '#';
        return 1 + fill_room(row - 1, column) + fill_room(row + 1, column) +
               fill_room(row, column - 1) + fill_room(row, column + 1);
    };
    int largest = 0;
    for (int row = 0; row < height; row++) {
        for (int column = 0; column < width; column++) {
            largest = max(largest, fill_room(row, column));
        }
    }
    return largest;
}

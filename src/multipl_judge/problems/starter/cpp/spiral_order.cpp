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

// Returns the numbers of a table in a clockwise spiral.
// The spiral starts at the top left, runs along the outside and ends in the middle. All rows
// are of the same length, which is at least 1; there may be no rows.
//
//     spiral_order({{1, 2, 3}, {4, 5, 6}}) == {1, 2, 3, 6, 5, 4}
vector<int> spiral_order(const vector<vector<int>>& rows) {
// --- solution
    vector<int> spiral;
    int top = 0, left = 0;
    int bottom = static_cast<int>(rows.size()) - 1;
    int right = rows.empty() ? -1 : static_cast<int>(rows[0].size()) - 1;
    while (top <= bottom && left <= right) {
        for (int column = left; column <= right; column++) {
            spiral.push_back(rows[top][column]);
        }
        for (int row = top + 1; row <= bottom; row++) {
            spiral.push_back(rows[row][right]);
        }
        for (int column = right - 1; top < bottom && column >= left; column--) {
            spiral.push_back(rows[bottom][column]);
        }
        for (int row = bottom - 1; left < right && row > top; row--) {
            spiral.push_back(rows[row][left]);
        }
        top++, left++, bottom--, right--;
    }
    return spiral;
}

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

// Returns the columns of a table as its new rows.
// All rows are of the same length, which is at least 1; there may be no rows.
//
//     transpose({{1, 2, 3}, {4, 5, 6}}) == {{1, 4}, {2, 5}, {3, 6}}
vector<vector<int>> transpose(const vector<vector<int>>& rows) {
// --- solution
    if (rows.empty()) {
        return {};
    }
    vector<vector<int>> columns(rows[0].size());
    for (const vector<int>& row : rows) {
        for (size_t i = 0; i < row.size(); i++) {
            columns[i].push_back(row[i]);
        }
    }
    return columns;
}

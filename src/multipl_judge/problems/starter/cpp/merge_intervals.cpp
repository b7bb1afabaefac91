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

// Returns the given intervals with those that overlap or touch made one.
// Each is a start and an end; they come in any order and leave in the order of their starts.
//
//     merge_intervals({{5, 8}, {1, 3}, {2, 4}}) == {{1, 4}, {5, 8}}
vector<pair<int, int>> merge_intervals(const vector<pair<int, int>>& intervals) {
// --- solution
    vector<pair<int, int>> sorted_intervals = intervals;
    sort(sorted_intervals.begin(), sorted_intervals.end());
    vector<pair<int, int>> merged;
    for (const auto& [start, end] : sorted_intervals) {
        if (!merged.empty() && start <= merged.back().second) {
            merged.back().second = max(merged.back().second, end);
        } else {
            merged.emplace_back(start, end);
        }
    }
    return merged;
}

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

// Returns the smallest number of coins that make amount, or -1 if none do.
// Of each kind of coin there are as many as needed.
//
//     fewest_coins({1, 3, 4}, 6) == 2
//     fewest_coins({5}, 3) == -1
int fewest_coins(const vector<int>& coins, int amount) {
// --- solution
    const int impossible = amount + 1;
    vector<int> fewest(amount + 1, impossible);
    fewest[0] = 0;
    for (int value = 1; value <= amount; value++) {
        for (int coin : coins) {
            if (coin <= value) {
                fewest[value] = min(fewest[value], fewest[value - coin] + 1);
            }
        }
    }
    return fewest[amount] == impossible ? -1 : fewest[amount];
}
// --- tests
void tests() {
    assert(fewest_coins({1, 3, 4}, 6) == 2);
    assert(fewest_coins({5}, 3) == -1);
    assert(fewest_coins({}, 0) == 0);
    assert(fewest_coins({1, 5, 10}, 0) == 0);
    assert(fewest_coins({1, 7, 10}, 14) == 2);
    assert(fewest_coins({10, 2, 5}, 27) == 4);
    assert(fewest_coins({9, 6}, 20) == -1);
    assert(fewest_coins({}, 7) == -1);
    assert(fewest_coins({7, 13}, 100) == 10);
}

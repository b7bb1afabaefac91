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

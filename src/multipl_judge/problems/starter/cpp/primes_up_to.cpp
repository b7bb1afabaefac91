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

// Returns all prime numbers from 2 to n, n included, in ascending order.
//
//     primes_up_to(10) == {2, 3, 5, 7}
vector<int> primes_up_to(int n) {
// --- solution
    vector<int> primes;
    for (int number = 2; number <= n; number++) {
        auto divides = [number](int prime) { return number % prime == 0; };
        if (none_of(primes.begin(), primes.end(), divides)) {
            primes.push_back(number);
        }
    }
    return primes;
}

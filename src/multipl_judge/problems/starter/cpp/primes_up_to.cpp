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
// --- tests
void tests() {
    assert((primes_up_to(10) == vector<int>{2, 3, 5, 7}));
    assert((primes_up_to(13) == vector<int>{2, 3, 5, 7, 11, 13}));
    assert((primes_up_to(2) == vector<int>{2}));
    assert(primes_up_to(1).empty());
    assert(primes_up_to(-4).empty());
    assert((primes_up_to(30) == vector<int>{2, 3, 5, 7, 11, 13, 17, 19, 23, 29}));
}

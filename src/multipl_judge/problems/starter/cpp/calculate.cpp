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

// Returns the value of an arithmetic expression.
// It holds whole numbers, the signs + - and *, round brackets and spaces. Multiplication
// goes before addition and subtraction; otherwise it is read from left to right.
//
//     calculate("2 + 3 * 4") == 14
//     calculate("(2 + 3) * 4") == 20
int calculate(const string& expression) {
// --- solution
    struct Parser {
        istringstream input;

        bool accept(char sign) {
            const bool found = (input >> ws).peek() == sign;
            if (found) {
                input.get();
            }
            return found;
        }

        int factor() {
            int value = 0;
            if (accept('(')) {
                value = sum();
                accept(')');
            } else {
                input >> value;
            }
            return value;
        }

        int product() {
            int value = factor();
            while (accept('*')) {
                value *= factor();
            }
            return value;
        }

        int sum() {
            int value = product();
            while (true) {
                if (accept('+')) {
                    value += product();
                } else if (accept('-')) {
                    value -= product();
                } else {
                    return value;
                }
            }
        }
    };
    return Parser{istringstream(expression)}.sum();
}

import java.util.*;

class Solution {
    /**
     * Returns the value of an arithmetic expression.
     *
     * <p>It holds whole numbers, the signs + - and *, round brackets and spaces. Multiplication
     * goes before addition and subtraction; otherwise it is read from left to right.
     *
     * <p>Examples:
     * <pre>{@code
     * calculate("2 + 3 * 4") // 14
     * calculate("(2 + 3) * 4") // 20
     * }</pre>
     */
    static int calculate(String expression) {
// --- solution
        class Parser {
            final String text = expression.replace(" ", "");
            int position = 0;

            boolean accept(char sign) {
                boolean found = position < text.length() && text.charAt(position) == sign;
                if (found) {
                    position++;
                }
                return found;
            }

            int factor() {
                if (accept('(')) {
                    int value = sum();
                    accept(')');
                    return value;
                }
                int start = position;
                while (position < text.length() && Character.isDigit(text.charAt(position))) {
                    position++;
                }
                return Integer.parseInt(text.substring(start, position));
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
        }
        return new Parser().sum();
    }

import java.util.*;

class Solution {
    /**
     * Returns whether n is an even number.
     *
     * <p>Examples:
     * <pre>{@code
     * isEven(4) // true
     * isEven(7) // false
     * }</pre>
     */
    static boolean isEven(int n) {
// --- solution
        return n % 2 == 0;
    }
// --- tests
    static void tests() {
        assert isEven(4);
        assert !isEven(7);
        assert isEven(0);
        assert isEven(-2);
        assert !isEven(-3);
    }

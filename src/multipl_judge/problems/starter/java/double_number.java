import java.util.*;

class Solution {
    /**
     * Returns twice n.
     *
     * <p>Example:
     * <pre>{@code
     * doubleNumber(4) // 8
     * }</pre>
     */
    static int doubleNumber(int n) {
// --- solution
        return 2 * n;
    }
// --- tests
    static void tests() {
        assert doubleNumber(4) == 8;
        assert doubleNumber(0) == 0;
        assert doubleNumber(-3) == -6;
        assert doubleNumber(21) == 42;
    }

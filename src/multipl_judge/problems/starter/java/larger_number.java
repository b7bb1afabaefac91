import java.util.*;

class Solution {
    /**
     * Returns the larger of the two numbers.
     *
     * <p>Example:
     * <pre>{@code
     * largerNumber(3, 8) // 8
     * }</pre>
     */
    static int largerNumber(int a, int b) {
// --- solution
        return Math.max(a, b);
    }
// --- tests
    static void tests() {
        assert largerNumber(3, 8) == 8;
        assert largerNumber(8, 3) == 8;
        assert largerNumber(-2, -9) == -2;
        assert largerNumber(5, 5) == 5;
        assert largerNumber(-1, 0) == 0;
    }

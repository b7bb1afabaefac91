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

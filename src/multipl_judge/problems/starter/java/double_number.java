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

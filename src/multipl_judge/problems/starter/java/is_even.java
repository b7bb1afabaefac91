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

import java.util.*;

class Solution {
    /**
     * Returns the sum of the decimal digits of n.
     *
     * <p>A minus sign is ignored.
     *
     * <p>Example:
     * <pre>{@code
     * sumOfDigits(472) // 13
     * }</pre>
     */
    static int sumOfDigits(int n) {
// --- solution
        int sum = 0;
        for (int rest = Math.abs(n); rest > 0; rest /= 10) {
            sum += rest % 10;
        }
        return sum;
    }

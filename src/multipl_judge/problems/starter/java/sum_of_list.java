import java.util.*;

class Solution {
    /**
     * Returns the sum of the given numbers.
     *
     * <p>The sum of none is 0.
     *
     * <p>Example:
     * <pre>{@code
     * sumOfList(new int[] {1, 2, 3}) // 6
     * }</pre>
     */
    static int sumOfList(int[] numbers) {
// --- solution
        int sum = 0;
        for (int number : numbers) {
            sum += number;
        }
        return sum;
    }

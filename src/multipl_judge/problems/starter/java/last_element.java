import java.util.*;

class Solution {
    /**
     * Returns the last of the given numbers.
     *
     * <p>There is at least one.
     *
     * <p>Example:
     * <pre>{@code
     * lastElement(new int[] {3, 1, 2}) // 2
     * }</pre>
     */
    static int lastElement(int[] numbers) {
// --- solution
        return numbers[numbers.length - 1];
    }

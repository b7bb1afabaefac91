import java.util.*;

class Solution {
    /**
     * Returns how many of the given numbers are below zero.
     *
     * <p>Example:
     * <pre>{@code
     * countNegatives(new int[] {3, -1, -2}) // 2
     * }</pre>
     */
    static int countNegatives(int[] numbers) {
// --- solution
        int count = 0;
        for (int number : numbers) {
            if (number < 0) {
                count++;
            }
        }
        return count;
    }

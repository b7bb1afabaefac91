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
// --- tests
    static void tests() {
        assert sumOfList(new int[] {1, 2, 3}) == 6;
        assert sumOfList(new int[] {}) == 0;
        assert sumOfList(new int[] {-5, 5}) == 0;
        assert sumOfList(new int[] {10}) == 10;
        assert sumOfList(new int[] {4, 4, -1}) == 7;
    }

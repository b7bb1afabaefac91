import java.util.*;

class Solution {
    /**
     * Returns the index of the first number that is not below target.
     *
     * <p>The numbers are in ascending order. If all are below target, the result is how many
     * there are.
     *
     * <p>Examples:
     * <pre>{@code
     * insertPosition(new int[] {10, 20, 30}, 20) // 1
     * insertPosition(new int[] {10, 20, 30}, 25) // 2
     * }</pre>
     */
    static int insertPosition(int[] numbers, int target) {
// --- solution
        int low = 0;
        int high = numbers.length;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (numbers[middle] < target) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
// --- tests
    static void tests() {
        assert insertPosition(new int[] {10, 20, 30}, 20) == 1;
        assert insertPosition(new int[] {10, 20, 30}, 25) == 2;
        assert insertPosition(new int[] {}, 5) == 0;
        assert insertPosition(new int[] {10, 20}, 99) == 2;
        assert insertPosition(new int[] {10, 20}, -1) == 0;
        assert insertPosition(new int[] {4, 4, 4, 4, 9}, 4) == 0;
        assert insertPosition(new int[] {1, 4, 4, 4, 9}, 4) == 1;
        assert insertPosition(new int[] {1}, 1) == 0;
        assert insertPosition(new int[] {1, 2, 2, 2, 2, 2, 2, 3}, 3) == 7;
    }

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

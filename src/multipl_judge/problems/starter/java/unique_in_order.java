import java.util.*;

class Solution {
    /**
     * Returns the given numbers without repeats.
     *
     * <p>Of equal numbers only the first is kept; the order stays.
     *
     * <p>Example:
     * <pre>{@code
     * uniqueInOrder(new int[] {3, 1, 3, 2, 1}) // [3, 1, 2]
     * }</pre>
     */
    static List<Integer> uniqueInOrder(int[] numbers) {
// --- solution
        Set<Integer> unique = new LinkedHashSet<>();
        for (int number : numbers) {
            unique.add(number);
        }
        return new ArrayList<>(unique);
    }

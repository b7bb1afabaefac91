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
// --- tests
    static void tests() {
        assert uniqueInOrder(new int[] {3, 1, 3, 2, 1}).equals(List.of(3, 1, 2));
        assert uniqueInOrder(new int[] {}).isEmpty();
        assert uniqueInOrder(new int[] {5, 5, 5}).equals(List.of(5));
        assert uniqueInOrder(new int[] {9, -9, 0}).equals(List.of(9, -9, 0));
        assert uniqueInOrder(new int[] {1, 2, 2, 1, 3}).equals(List.of(1, 2, 3));
    }

import java.util.*;

class Solution {
    /**
     * Returns the given intervals with those that overlap or touch made one.
     *
     * <p>Each is a start and an end; they come in any order and leave in the order of their
     * starts.
     *
     * <p>Example:
     * <pre>{@code
     * mergeIntervals(new int[][] {{5, 8}, {1, 3}, {2, 4}}) // {{1, 4}, {5, 8}}
     * }</pre>
     */
    static int[][] mergeIntervals(int[][] intervals) {
// --- solution
        int[][] sorted = intervals.clone();
        Arrays.sort(sorted, Comparator.comparingInt(interval -> interval[0]));
        List<int[]> merged = new ArrayList<>();
        for (int[] interval : sorted) {
            int[] last = merged.isEmpty() ? null : merged.get(merged.size() - 1);
            if (last != null && interval[0] <= last[1]) {
                last[1] = Math.max(last[1], interval[1]);
            } else {
                merged.add(interval.clone());
            }
        }
        return merged.toArray(new int[0][]);
    }
// --- tests
    static void tests() {
        assert Arrays.deepEquals(
                mergeIntervals(new int[][] {{5, 8}, {1, 3}, {2, 4}}),
                new int[][] {{1, 4}, {5, 8}});
        assert Arrays.deepEquals(
                mergeIntervals(new int[][] {{1, 2}, {2, 3}}),
                new int[][] {{1, 3}});
        assert Arrays.deepEquals(
                mergeIntervals(new int[][] {{1, 2}, {3, 4}}),
                new int[][] {{1, 2}, {3, 4}});
        assert Arrays.deepEquals(mergeIntervals(new int[][] {}), new int[][] {});
        assert Arrays.deepEquals(
                mergeIntervals(new int[][] {{1, 9}, {2, 3}, {4, 5}}),
                new int[][] {{1, 9}});
        assert Arrays.deepEquals(
                mergeIntervals(new int[][] {{0, 0}, {-5, -1}}),
                new int[][] {{-5, -1}, {0, 0}});
        assert Arrays.deepEquals(
                mergeIntervals(new int[][] {{4, 6}, {4, 6}, {3, 4}}),
                new int[][] {{3, 6}});
    }

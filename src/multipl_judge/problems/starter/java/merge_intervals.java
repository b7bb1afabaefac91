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

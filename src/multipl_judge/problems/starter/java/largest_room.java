import java.util.*;

class Solution {
    /**
     * Returns the number of floor tiles of the largest room on a plan.
     *
     * <p>On the plan, a dot is a floor tile and # is wall. Tiles that share a side belong to the
     * same room; tiles that touch only at a corner do not. All lines of the plan are of the same
     * length.
     *
     * <p>Example:
     * <pre>{@code
     * largestRoom(List.of("..#", "##.", "...")) // 4
     * }</pre>
     */
    static int largestRoom(List<String> plan) {
// --- solution
        boolean[][] seen = new boolean[plan.size()][plan.isEmpty() ? 0 : plan.get(0).length()];
        int[][] steps = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
        int largest = 0;
        for (int i = 0; i < seen.length; i++) {
            for (int j = 0; j < seen[i].length; j++) {
                int size = 0;
                Deque<int[]> open = new ArrayDeque<>(List.of(new int[] {i, j}));
                while (!open.isEmpty()) {
                    int[] tile = open.pop();
                    int row = tile[0];
                    int column = tile[1];
                    if (row < 0 || row >= seen.length || column < 0 || column >= seen[row].length) {
                        continue;
                    }
                    if (seen[row][column] || plan.get(row).charAt(column) == '#') {
                        continue;
                    }
                    seen[row][column] = true;
                    size++;
                    for (int[] step : steps) {
                        open.push(new int[] {row + step[0], column + step[1]});
                    }
                }
                largest = Math.max(largest, size);
            }
        }
        return largest;
    }

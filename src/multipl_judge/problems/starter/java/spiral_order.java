import java.util.*;

class Solution {
    /**
     * Returns the numbers of a table in a clockwise spiral.
     *
     * <p>The spiral starts at the top left, runs along the outside and ends in the middle. All
     * rows are of the same length, which is at least 1; there may be no rows.
     *
     * <p>Example:
     * <pre>{@code
     * spiralOrder(new int[][] {{1, 2, 3}, {4, 5, 6}}) // [1, 2, 3, 6, 5, 4]
     * }</pre>
     */
    static List<Integer> spiralOrder(int[][] rows) {
// --- solution
        List<Integer> spiral = new ArrayList<>();
        int top = 0;
        int left = 0;
        int bottom = rows.length - 1;
        int right = rows.length == 0 ? -1 : rows[0].length - 1;
        while (top <= bottom && left <= right) {
            for (int column = left; column <= right; column++) {
                spiral.add(rows[top][column]);
            }
            for (int row = top + 1; row <= bottom; row++) {
                spiral.add(rows[row][right]);
            }
            for (int column = right - 1; top < bottom && column >= left; column--) {
                spiral.add(rows[bottom][column]);
            }
            for (int row = bottom - 1; left < right && row > top; row--) {
                spiral.add(rows[row][left]);
            }
            top++;
            left++;
            bottom--;
            right--;
        }
        return spiral;
    }

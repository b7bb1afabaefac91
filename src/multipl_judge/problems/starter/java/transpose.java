import java.util.*;

class Solution {
    /**
     * Returns the columns of a table as its new rows.
     *
     * <p>All rows are of the same length, which is at least 1; there may be no rows.
     *
     * <p>Example:
     * <pre>{@code
     * transpose(new int[][] {{1, 2, 3}, {4, 5, 6}}) // {{1, 4}, {2, 5}, {3, 6}}
     * }</pre>
     */
    static int[][] transpose(int[][] rows) {
// --- solution
        if (rows.length == 0) {
            return new int[0][];
        }
        int[][] columns = new int[rows[0].length][rows.length];
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < rows[i].length; j++) {
                columns[j][i] = rows[i][j];
            }
        }
        return columns;
    }

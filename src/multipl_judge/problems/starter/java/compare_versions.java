import java.util.*;

class Solution {
    /**
     * Returns -1, 0 or 1 as version a is older than, equal to or newer than b.
     *
     * <p>Versions are whole numbers joined by dots, compared number by number; a number that is
     * missing is 0.
     *
     * <p>Examples:
     * <pre>{@code
     * compareVersions("1.10", "1.9") // 1
     * compareVersions("2.0", "2") // 0
     * }</pre>
     */
    static int compareVersions(String a, String b) {
// --- solution
        String[] left = a.split("\\.");
        String[] right = b.split("\\.");
        for (int i = 0; i < Math.max(left.length, right.length); i++) {
            int first = i < left.length ? Integer.parseInt(left[i]) : 0;
            int second = i < right.length ? Integer.parseInt(right[i]) : 0;
            if (first != second) {
                return Integer.compare(first, second);
            }
        }
        return 0;
    }

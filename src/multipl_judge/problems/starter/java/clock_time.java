import java.util.*;

class Solution {
    /**
     * Returns a number of seconds as hours, minutes and seconds.
     *
     * <p>Minutes and seconds have two digits each, hours as many as they need.
     *
     * <p>Example:
     * <pre>{@code
     * clockTime(3665) // "1:01:05"
     * }</pre>
     */
    static String clockTime(int seconds) {
// --- solution
        return String.format("%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }

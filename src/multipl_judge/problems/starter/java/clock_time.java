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
// --- tests
    static void tests() {
        assert clockTime(3665).equals("1:01:05");
        assert clockTime(59).equals("0:00:59");
        assert clockTime(0).equals("0:00:00");
        assert clockTime(600).equals("0:10:00");
        assert clockTime(86399).equals("23:59:59");
        assert clockTime(360000).equals("100:00:00");
    }

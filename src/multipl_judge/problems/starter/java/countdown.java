import java.util.*;

class Solution {
    /**
     * Returns the numbers from n down to 1, and then the word go!
     *
     * <p>They are joined by a comma and a space; n is not negative.
     *
     * <p>Example:
     * <pre>{@code
     * countdown(3) // "3, 2, 1, go!"
     * }</pre>
     */
    static String countdown(int n) {
// --- solution
        StringBuilder text = new StringBuilder();
        for (int number = n; number > 0; number--) {
            text.append(number).append(", ");
        }
        return text.append("go!").toString();
    }

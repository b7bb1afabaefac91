import java.util.*;

class Solution {
    /**
     * Returns text with its letters in reverse order.
     *
     * <p>Example:
     * <pre>{@code
     * reverseText("drawer") // "reward"
     * }</pre>
     */
    static String reverseText(String text) {
// --- solution
        return new StringBuilder(text).reverse().toString();
    }

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
// --- tests
    static void tests() {
        assert reverseText("drawer").equals("reward");
        assert reverseText("ab c").equals("c ba");
        assert reverseText("").equals("");
        assert reverseText("x").equals("x");
        assert reverseText("Noon").equals("nooN");
    }

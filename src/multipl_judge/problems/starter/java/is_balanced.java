import java.util.*;

class Solution {
    /**
     * Returns whether the brackets in text are balanced.
     *
     * <p>Each of ( [ { needs its own closing ) ] } in the right order; all other characters are
     * ignored.
     *
     * <p>Examples:
     * <pre>{@code
     * isBalanced("a(b[c]{d})") // true
     * isBalanced("(]") // false
     * }</pre>
     */
    static boolean isBalanced(String text) {
// --- solution
        Deque<Character> expected = new ArrayDeque<>();
        for (char letter : text.toCharArray()) {
            int opening = "([{".indexOf(letter);
            if (opening >= 0) {
                expected.push(")]}".charAt(opening));
            } else if (")]}".indexOf(letter) >= 0) {
                if (expected.isEmpty() || expected.pop() != letter) {
                    return false;
                }
            }
        }
        return expected.isEmpty();
    }

import java.util.*;

class Solution {
    /**
     * Returns the first letter of each word of name, in upper case.
     *
     * <p>Words are separated by one or more spaces.
     *
     * <p>Example:
     * <pre>{@code
     * initials("grace hopper") // "GH"
     * }</pre>
     */
    static String initials(String name) {
// --- solution
        StringBuilder letters = new StringBuilder();
        for (String word : name.trim().split(" +")) {
            if (!word.isEmpty()) {
                letters.append(Character.toUpperCase(word.charAt(0)));
            }
        }
        return letters.toString();
    }

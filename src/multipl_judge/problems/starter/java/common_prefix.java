import java.util.*;

class Solution {
    /**
     * Returns the longest text that all words begin with.
     *
     * <p>For no words at all, that is the empty text.
     *
     * <p>Example:
     * <pre>{@code
     * commonPrefix(List.of("storm", "story", "stop")) // "sto"
     * }</pre>
     */
    static String commonPrefix(List<String> words) {
// --- solution
        if (words.isEmpty()) {
            return "";
        }
        String prefix = words.get(0);
        for (String word : words) {
            while (!word.startsWith(prefix)) {
                prefix = prefix.substring(0, prefix.length() - 1);
            }
        }
        return prefix;
    }

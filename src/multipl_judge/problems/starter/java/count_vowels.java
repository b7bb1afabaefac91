import java.util.*;

class Solution {
    /**
     * Returns how many letters of text are vowels.
     *
     * <p>The vowels are a, e, i, o and u, in upper or lower case.
     *
     * <p>Example:
     * <pre>{@code
     * countVowels("banana") // 3
     * }</pre>
     */
    static int countVowels(String text) {
// --- solution
        int count = 0;
        for (char letter : text.toLowerCase().toCharArray()) {
            if ("aeiou".indexOf(letter) >= 0) {
                count++;
            }
        }
        return count;
    }

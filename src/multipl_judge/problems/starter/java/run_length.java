import java.util.*;

class Solution {
    /**
     * Returns text with each run of an equal letter as its length and the letter.
     *
     * <p>A letter that stands alone gets no number. The text holds letters only.
     *
     * <p>Examples:
     * <pre>{@code
     * runLength("aaab") // "3ab"
     * runLength("xyz") // "xyz"
     * }</pre>
     */
    static String runLength(String text) {
// --- solution
        StringBuilder runs = new StringBuilder();
        int start = 0;
        for (int i = 1; i <= text.length(); i++) {
            if (i == text.length() || text.charAt(i) != text.charAt(start)) {
                if (i - start > 1) {
                    runs.append(i - start);
                }
                runs.append(text.charAt(start));
                start = i;
            }
        }
        return runs.toString();
    }

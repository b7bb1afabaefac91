import java.util.*;

class Solution {
    /**
     * Returns the words of text in lines of at most width characters.
     *
     * <p>Words are separated by spaces; each line takes as many as fit, with one space between
     * two. A word that is longer than width has a line of its own.
     *
     * <p>Example:
     * <pre>{@code
     * wrapText("the quick brown fox", 10) // [the quick, brown fox]
     * }</pre>
     */
    static List<String> wrapText(String text, int width) {
// --- solution
        List<String> lines = new ArrayList<>();
        StringTokenizer words = new StringTokenizer(text);
        while (words.hasMoreTokens()) {
            String word = words.nextToken();
            int last = lines.size() - 1;
            if (last >= 0 && lines.get(last).length() + 1 + word.length() <= width) {
                lines.set(last, lines.get(last) + " " + word);
            } else {
                lines.add(word);
            }
        }
        return lines;
    }

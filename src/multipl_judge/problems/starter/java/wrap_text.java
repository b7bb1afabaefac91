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
// --- tests
    static void tests() {
        assert wrapText("the quick brown fox", 10).equals(List.of("the quick", "brown fox"));
        assert wrapText("a bb ccc", 4).equals(List.of("a bb", "ccc"));
        assert wrapText("", 5).isEmpty();
        assert wrapText("tiny extraordinary word", 6)
                .equals(List.of("tiny", "extraordinary", "word"));
        assert wrapText("  many   spaces ", 80).equals(List.of("many spaces"));
        assert wrapText("aa bb", 5).equals(List.of("aa bb"));
        assert wrapText("aa bb", 4).equals(List.of("aa", "bb"));
        assert wrapText("x".repeat(9), 4).equals(List.of("xxxxxxxxx"));
    }

import java.util.*;

class Solution {
    /**
     * Returns the most frequent words of text, the most frequent first.
     *
     * <p>A word is a run of letters; it counts and is returned in lower case. Equally frequent
     * words are in alphabetical order. There are count of them, or all if text holds fewer.
     *
     * <p>Example:
     * <pre>{@code
     * topWords("The cat saw the dog.", 2) // [the, cat]
     * }</pre>
     */
    static List<String> topWords(String text, int count) {
// --- solution
        Map<String, Integer> frequencies = new TreeMap<>();
        for (String word : text.toLowerCase().split("[^a-z]+")) {
            if (!word.isEmpty()) {
                frequencies.merge(word, 1, Integer::sum);
            }
        }
        List<String> words = new ArrayList<>(frequencies.keySet());
        words.sort(Comparator.comparing(frequencies::get, Comparator.reverseOrder()));
        return words.subList(0, Math.min(count, words.size()));
    }

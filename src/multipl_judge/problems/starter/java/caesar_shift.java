import java.util.*;

class Solution {
    /**
     * Returns text with each letter moved by shift places in the alphabet.
     *
     * <p>After z comes a again; upper and lower case are kept, and so is all that is no letter.
     * A negative shift moves backwards.
     *
     * <p>Examples:
     * <pre>{@code
     * caesarShift("Hello, xyz!", 3) // "Khoor, abc!"
     * caesarShift("abc", -1) // "zab"
     * }</pre>
     */
    static String caesarShift(String text, int shift) {
// --- solution
        StringBuilder shifted = new StringBuilder();
        for (char letter : text.toCharArray()) {
            if (Character.isLetter(letter)) {
                char first = Character.isLowerCase(letter) ? 'a' : 'A';
                letter = (char) (Math.floorMod(letter - first + shift, 26) + first);
            }
            shifted.append(letter);
        }
        return shifted.toString();
    }

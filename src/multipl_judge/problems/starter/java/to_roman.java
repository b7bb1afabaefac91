import java.util.*;

class Solution {
    /**
     * Returns n, from 1 to 3999, as a Roman number.
     *
     * <p>Examples:
     * <pre>{@code
     * toRoman(4) // "IV"
     * toRoman(1987) // "MCMLXXXVII"
     * }</pre>
     */
    static String toRoman(int n) {
// --- solution
        int[] values = {1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1};
        String[] signs = {"M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"};
        StringBuilder roman = new StringBuilder();
        for (int i = 0; i < values.length; i++) {
            roman.append(signs[i].repeat(n / values[i]));
            n %= values[i];
        }
        return roman.toString();
    }

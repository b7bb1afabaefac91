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
// --- tests
    static void tests() {
        assert toRoman(4).equals("IV");
        assert toRoman(1987).equals("MCMLXXXVII");
        assert toRoman(1).equals("I");
        assert toRoman(3000).equals("M".repeat(3));
        assert toRoman(49).equals("XLIX");
        assert toRoman(3999).equals("MMMCMXCIX");
        assert toRoman(500).equals("D");
        assert toRoman(94).equals("XCIV");
    }

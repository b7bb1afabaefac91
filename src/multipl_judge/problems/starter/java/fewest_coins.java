import java.util.*;

class Solution {
    /**
     * Returns the smallest number of coins that make amount, or -1 if none do.
     *
     * <p>Of each kind of coin there are as many as needed.
     *
     * <p>Examples:
     * <pre>{@code
     * fewestCoins(new int[] {1, 3, 4}, 6) // 2
     * fewestCoins(new int[] {5}, 3) // -1
     * }</pre>
     */
    static int fewestCoins(int[] coins, int amount) {
// --- solution
        int[] fewest = new int[amount + 1];
        Arrays.fill(fewest, Integer.MAX_VALUE);
        fewest[0] = 0;
        for (int value = 1; value <= amount; value++) {
            for (int coin : coins) {
                if (coin <= value && fewest[value - coin] < Integer.MAX_VALUE) {
                    fewest[value] = Math.min(fewest[value], fewest[value - coin] + 1);
                }
            }
        }
        return fewest[amount] == Integer.MAX_VALUE ? -1 : fewest[amount];
    }

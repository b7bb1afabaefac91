import java.util.*;

class Solution {
    /**
     * Returns all prime numbers from 2 to n, n included, in ascending order.
     *
     * <p>Example:
     * <pre>{@code
     * primesUpTo(10) // [2, 3, 5, 7]
     * }</pre>
     */
    static List<Integer> primesUpTo(int n) {
// --- solution
        List<Integer> primes = new ArrayList<>();
        for (int number = 2; number <= n; number++) {
            boolean isPrime = true;
            for (int prime : primes) {
                if (number % prime == 0) {
                    isPrime = false;
                    break;
                }
            }
            if (isPrime) {
                primes.add(number);
            }
        }
        return primes;
    }
// --- tests
    static void tests() {
        assert primesUpTo(10).equals(List.of(2, 3, 5, 7));
        assert primesUpTo(13).equals(List.of(2, 3, 5, 7, 11, 13));
        assert primesUpTo(2).equals(List.of(2));
        assert primesUpTo(1).isEmpty();
        assert primesUpTo(-4).isEmpty();
        assert primesUpTo(30).equals(List.of(2, 3, 5, 7, 11, 13, 17, 19, 23, 29));
    }

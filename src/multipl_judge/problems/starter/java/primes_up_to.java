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

import java.util.*;

class Solution {
    /**
     * Returns a greeting for the given name.
     *
     * <p>Example:
     * <pre>{@code
     * greet("Ada") // "Hello, Ada!"
     * }</pre>
     */
    static String greet(String name) {
// --- solution
        return "Hello, " + name + "!";
    }
// --- tests
    static void tests() {
        assert greet("Ada").equals("Hello, Ada!");
        assert greet("Bo").equals("Hello, Bo!");
        assert greet("Mary Ann").equals("Hello, Mary Ann!");
        assert greet("").equals("Hello, !");
    }

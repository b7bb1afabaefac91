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

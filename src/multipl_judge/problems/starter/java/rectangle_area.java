import java.util.*;

class Solution {
    /**
     * Returns the area of a rectangle with the given sides.
     *
     * <p>Example:
     * <pre>{@code
     * rectangleArea(3, 4) // 12
     * }</pre>
     */
    static int rectangleArea(int width, int height) {
// --- solution
        return width * height;
    }

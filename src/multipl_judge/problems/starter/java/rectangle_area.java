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
// --- tests
    static void tests() {
        assert rectangleArea(3, 4) == 12;
        assert rectangleArea(5, 5) == 25;
        assert rectangleArea(7, 0) == 0;
        assert rectangleArea(1, 9) == 9;
    }

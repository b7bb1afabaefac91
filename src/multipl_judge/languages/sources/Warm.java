import java.util.*;
import java.util.function.*;
import java.util.stream.*;

/** What programs to judge look like, for an archive of the classes that a compiler of such programs loads. */
public class Warm {
    interface Shape {
        double area();
    }

    record Square(double side) implements Shape {
        public double area() {
            return side * side;
        }
    }

    enum Kind { SMALL, LARGE }

    static <T extends Comparable<T>> T largest(List<? extends T> values) {
        T best = values.get(0);
        for (T value : values) {
            if (value.compareTo(best) > 0) best = value;
        }
        return best;
    }

    public static void main(String[] args) throws Exception {
        Map<String, List<Integer>> groups = new HashMap<>();
        int[][] table = {{1, 2}, {3, 4}};
        for (int[] row : table) {
            for (int i = 0; i < row.length; i++) {
                groups.computeIfAbsent(i % 2 == 0 ? "even" : "odd", key -> new ArrayList<>()).add(row[i]);
            }
        }
        List<String> names = groups.keySet().stream().filter(s -> !s.isEmpty()).map(String::toUpperCase)
                .sorted(Comparator.reverseOrder()).collect(Collectors.toList());
        Optional<Integer> sum = groups.values().stream().flatMap(List::stream).reduce(Integer::sum);
        Function<Integer, Integer> twice = x -> 2 * x;
        StringBuilder text = new StringBuilder();
        Kind kind = sum.isPresent() && sum.get() > 3 ? Kind.LARGE : Kind.SMALL;
        switch (kind) {
            case SMALL: text.append('s'); break;
            default: text.append("l").append(1L << 40).append(1.5f);
        }
        try {
            Iterator<String> each = names.iterator();
            while (each.hasNext()) text.append(each.next());
            assert largest(Arrays.asList(1, 2, 3)) == 3 : "largest";
            if (new Square(2).area() != 4) throw new AssertionError();
        } catch (IllegalStateException | IndexOutOfBoundsException error) {
            throw new RuntimeException(error.getMessage(), error);
        } finally {
            System.out.println(text + " " + twice.apply(sum.orElse(0)));
        }
        Runnable anonymous = new Runnable() {
            @Override
            public void run() {
                System.out.printf("%s%n", Math.max(1, text.length()));
            }
        };
        anonymous.run();
    }
}

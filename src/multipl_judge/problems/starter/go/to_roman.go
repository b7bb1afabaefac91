package main

import (
	"strings"
	"testing"
)

// toRoman returns n, from 1 to 3999, as a Roman number.
//
//	toRoman(4) == "IV"
//	toRoman(1987) == "MCMLXXXVII"
func toRoman(n int) string {
// --- solution
	values := []int{1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1}
	signs := strings.Fields("M CM D CD C XC L XL X IX V IV I")
	roman := ""
	for i, value := range values {
		roman += strings.Repeat(signs[i], n/value)
		n %= value
	}
	return roman
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		n    int
		want string
	}{
		{4, "IV"},
		{1987, "MCMLXXXVII"},
		{1, "I"},
		{3000, strings.Repeat("M", 3)},
		{49, "XLIX"},
		{3999, "MMMCMXCIX"},
		{500, "D"},
		{94, "XCIV"},
	}
	for _, c := range cases {
		if got := toRoman(c.n); got != c.want {
			t.Fatalf("toRoman(%v) = %q, want %q", c.n, got, c.want)
		}
	}
}

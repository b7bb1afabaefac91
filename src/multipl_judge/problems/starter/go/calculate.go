package main

import (
	"strconv"
	"strings"
	"testing"
)

// calculate returns the value of an arithmetic expression.
// It holds whole numbers, the signs + - and *, round brackets and spaces. Multiplication
// goes before addition and subtraction; otherwise it is read from left to right.
//
//	calculate("2 + 3 * 4") == 14
//	calculate("(2 + 3) * 4") == 20
func calculate(expression string) int {
// --- solution
	text := strings.ReplaceAll(expression, " ", "")
	accept := func(sign string) bool {
		rest, found := strings.CutPrefix(text, sign)
		text = rest
		return found
	}
	var sum func() int
	factor := func() int {
		if accept("(") {
			value := sum()
			accept(")")
			return value
		}
		digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
		text = text[len(digits):]
		value, _ := strconv.Atoi(digits)
		return value
	}
	product := func() int {
		value := factor()
		for accept("*") {
			value *= factor()
		}
		return value
	}
	sum = func() int {
		value := product()
		for {
			if accept("+") {
				value += product()
			} else if accept("-") {
				value -= product()
			} else {
				return value
			}
		}
	}
	return sum()
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		expression string
		want       int
	}{
		{"2 + 3 * 4", 14},
		{"(2 + 3) * 4", 20},
		{"7", 7},
		{"10 - 2 - 3", 5},
		{"2*(3-(4-6))", 10},
		{"12 - 2 * 3 + 1", 7},
		{"((8))*2*2", 32},
		{"1 - (2 - (3 - 4))", -2},
		{" 20-30 ", -10},
	}
	for _, c := range cases {
		if got := calculate(c.expression); got != c.want {
			t.Fatalf("calculate(%q) = %v, want %v", c.expression, got, c.want)
		}
	}

	for n := 0; n < 20; n++ {
		expression := strings.Repeat("(", n) + strconv.Itoa(n) + strings.Repeat(")", n) + " * 2 - 1"
		if got := calculate(expression); got != 2*n-1 {
			t.Fatalf("calculate(%q) = %v, want %v", expression, got, 2*n-1)
		}
	}
}

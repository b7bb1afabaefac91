package main

import (
	"strconv"
	"strings"
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

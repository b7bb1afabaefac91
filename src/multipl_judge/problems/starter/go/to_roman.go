package main

import "strings"

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

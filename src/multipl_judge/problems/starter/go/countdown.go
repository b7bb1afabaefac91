package main

import (
	"strconv"
	"strings"
)

// countdown returns the numbers from n down to 1, and then the word go!
// They are joined by a comma and a space; n is not negative.
//
//	countdown(3) == "3, 2, 1, go!"
func countdown(n int) string {
// --- solution
	var text strings.Builder
	for number := n; number > 0; number-- {
		text.WriteString(strconv.Itoa(number) + ", ")
	}
	return text.String() + "go!"
}

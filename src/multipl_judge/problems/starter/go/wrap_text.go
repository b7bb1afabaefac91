package main

import (
	"fmt"
	"strings"
)

// wrapText returns the words of text in lines of at most width characters.
// Words are separated by spaces; each line takes as many as fit, with one space between two.
// A word that is longer than width has a line of its own.
//
//	wrapText("the quick brown fox", 10) // []string{"the quick", "brown fox"}
func wrapText(text string, width int) []string {
// --- solution
	lines := []string{}
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && len(lines[last])+1+len(word) <= width {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

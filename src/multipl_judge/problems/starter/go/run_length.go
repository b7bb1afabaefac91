package main

import (
	"strconv"
	"strings"
)

// runLength returns text with each run of an equal letter as its length and the letter.
// A letter that stands alone gets no number. The text holds letters only.
//
//	runLength("aaab") == "3ab"
//	runLength("xyz") == "xyz"
func runLength(text string) string {
// --- solution
	var runs strings.Builder
	for start, end := 0, 0; start < len(text); start = end {
		for end < len(text) && text[end] == text[start] {
			end++
		}
		if end-start > 1 {
			runs.WriteString(strconv.Itoa(end - start))
		}
		runs.WriteByte(text[start])
	}
	return runs.String()
}

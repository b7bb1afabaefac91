package main

import "strings"

// countVowels returns how many letters of text are vowels.
// The vowels are a, e, i, o and u, in upper or lower case.
//
//	countVowels("banana") == 3
func countVowels(text string) int {
// --- solution
	count := 0
	for _, letter := range text {
		if strings.ContainsRune("aeiouAEIOU", letter) {
			count++
		}
	}
	return count
}

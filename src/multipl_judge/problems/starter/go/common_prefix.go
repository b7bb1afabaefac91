package main

import "strings"

// commonPrefix returns the longest text that all words begin with.
// For no words at all, that is the empty text.
//
//	commonPrefix([]string{"storm", "story", "stop"}) == "sto"
func commonPrefix(words []string) string {
// --- solution
	if len(words) == 0 {
		return ""
	}
	prefix := words[0]
	for _, word := range words {
		for !strings.HasPrefix(word, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	return prefix
}

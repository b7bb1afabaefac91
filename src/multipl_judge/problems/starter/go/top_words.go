package main

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

// topWords returns the most frequent words of text, the most frequent first.
// A word is a run of letters; it counts and is returned in lower case. Equally frequent
// words are in alphabetical order. There are count of them, or all if text holds fewer.
//
//	topWords("The cat saw the dog.", 2) // []string{"the", "cat"}
func topWords(text string, count int) []string {
// --- solution
	frequencies := map[string]int{}
	isSeparator := func(letter rune) bool { return !unicode.IsLetter(letter) }
	for _, word := range strings.FieldsFunc(strings.ToLower(text), isSeparator) {
		frequencies[word]++
	}
	words := []string{}
	for word := range frequencies {
		words = append(words, word)
	}
	sort.Slice(words, func(i, j int) bool {
		if frequencies[words[i]] != frequencies[words[j]] {
			return frequencies[words[i]] > frequencies[words[j]]
		}
		return words[i] < words[j]
	})
	if len(words) > count {
		words = words[:count]
	}
	return words
}

package main

import (
	"fmt"
	"sort"
	"strings"
	"testing"
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
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		text  string
		count int
		want  []string
	}{
		{"The cat saw the dog.", 2, []string{"the", "cat"}},
		{"b a c", 3, []string{"a", "b", "c"}},
		{"", 3, []string{}},
		{"one two", 0, []string{}},
		{"Go, go; GO! stop", 5, []string{"go", "stop"}},
		{"x1y x_z 42", 3, []string{"x", "y", "z"}},
		{"d c c b b a", 2, []string{"b", "c"}},
	}
	for _, c := range cases {
		got, want := fmt.Sprintf("%q", topWords(c.text, c.count)), fmt.Sprintf("%q", c.want)
		if got != want {
			t.Fatalf("topWords(%q, %v) = %s, want %s", c.text, c.count, got, want)
		}
	}

	got := topWords("Zoe Yan Xia Wes", 4)
	if !sort.StringsAreSorted(got) {
		t.Fatalf("topWords left %q unsorted", got)
	}
	if strings.IndexFunc(strings.Join(got, " "), unicode.IsUpper) >= 0 {
		t.Fatalf("topWords left upper case in %q", got)
	}
}

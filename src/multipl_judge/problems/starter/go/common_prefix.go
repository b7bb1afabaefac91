package main

import (
	"strings"
	"testing"
)

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
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		words []string
		want  string
	}{
		{[]string{"storm", "story", "stop"}, "sto"},
		{[]string{"same", "same"}, "same"},
		{[]string{"one"}, "one"},
		{[]string{}, ""},
		{[]string{"ab", "xy"}, ""},
		{[]string{"abc", ""}, ""},
		{[]string{"car", "carpet", "care"}, "car"},
		{[]string{"xab", "yab"}, ""},
	}
	for _, c := range cases {
		if got := commonPrefix(c.words); got != c.want {
			t.Fatalf("commonPrefix(%q) = %q, want %q", c.words, got, c.want)
		}
	}

	if got := commonPrefix(strings.Fields("tea team tear")); got != "tea" {
		t.Fatalf("commonPrefix of tea, team and tear is %q", got)
	}
}

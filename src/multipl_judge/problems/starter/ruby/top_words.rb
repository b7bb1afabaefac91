# Returns the most frequent words of text, the most frequent first.
#
# A word is a run of letters; it counts and is returned in lower case. Equally frequent words are
# in alphabetical order. There are count of them, or all if text holds fewer.
#
#   top_words("The cat saw the dog.", 2) # => ["the", "cat"]
def top_words(text, count)
# --- solution
  frequencies = text.downcase.scan(/[a-z]+/).tally
  frequencies.sort_by { |word, frequency| [-frequency, word] }.first(count).map(&:first)
end
# --- tests
assert_equal(["the", "cat"], top_words("The cat saw the dog.", 2))
assert_equal(["a", "b", "c"], top_words("b a c", 3))
assert_equal([], top_words("", 3))
assert_equal([], top_words("one two", 0))
assert_equal(["go", "stop"], top_words("Go, go; GO! stop", 5))
assert_equal(["x", "y", "z"], top_words("x1y x_z 42", 3))
assert_equal(["b", "c"], top_words("d c c b b a", 2))

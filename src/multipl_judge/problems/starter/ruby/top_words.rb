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

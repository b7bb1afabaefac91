# Returns the longest text that all words begin with.
#
# For no words at all, that is the empty text.
#
#   common_prefix(["storm", "story", "stop"]) # => "sto"
def common_prefix(words)
# --- solution
  return "" if words.empty?

  first, last = words.minmax
  size = first.size
  size -= 1 until last.start_with?(first[0, size])
  first[0, size]
end

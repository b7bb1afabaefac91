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
# --- tests
assert_equal("sto", common_prefix(["storm", "story", "stop"]))
assert_equal("same", common_prefix(["same", "same"]))
assert_equal("one", common_prefix(["one"]))
assert_equal("", common_prefix([]))
assert_equal("", common_prefix(["ab", "xy"]))
assert_equal("", common_prefix(["abc", ""]))
assert_equal("car", common_prefix(["car", "carpet", "care"]))
assert_equal("", common_prefix(["xab", "yab"]))

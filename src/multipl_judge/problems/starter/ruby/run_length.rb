# Returns text with each run of an equal letter as its length and the letter.
#
# A letter that stands alone gets no number. The text holds letters only.
#
#   run_length("aaab") # => "3ab"
#   run_length("xyz") # => "xyz"
def run_length(text)
# --- solution
  text.gsub(/(.)\1+/) { |run| "#{run.size}#{run[0]}" }
end
# --- tests
assert_equal("3ab", run_length("aaab"))
assert_equal("xyz", run_length("xyz"))
assert_equal("", run_length(""))
assert_equal("2a2b2a", run_length("aabbaa"))
assert_equal("Qq", run_length("Qq"))
assert_equal("a4b", run_length("abbbb"))
assert_equal("12z", run_length("z" * 12))

# Returns how many letters of text are vowels.
#
# The vowels are a, e, i, o and u, in upper or lower case.
#
#   count_vowels("banana") # => 3
def count_vowels(text)
# --- solution
  text.downcase.count("aeiou")
end
# --- tests
assert_equal(3, count_vowels("banana"))
assert_equal(4, count_vowels("Apple pie"))
assert_equal(0, count_vowels("rhythm"))
assert_equal(0, count_vowels(""))
assert_equal(5, count_vowels("AEIOU"))
assert_equal(40, count_vowels("e" * 40))

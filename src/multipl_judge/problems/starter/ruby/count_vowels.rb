# Returns how many letters of text are vowels.
#
# The vowels are a, e, i, o and u, in upper or lower case.
#
#   count_vowels("banana") # => 3
def count_vowels(text)
# --- solution
  text.downcase.count("aeiou")
end

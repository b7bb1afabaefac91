# Returns the first letter of each word of name, in upper case.
#
# Words are separated by one or more spaces.
#
#   initials("grace hopper") # => "GH"
def initials(name)
# --- solution
  name.split.map { |word| word[0].upcase }.join
end
# --- tests
assert_equal("GH", initials("grace hopper"))
assert_equal("A", initials("Ada"))
assert_equal("JLDLT", initials("  jean luc  de la tour "))
assert_equal("", initials(""))
assert_equal("", initials(" " * 5))

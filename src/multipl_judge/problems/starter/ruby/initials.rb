# Returns the first letter of each word of name, in upper case.
#
# Words are separated by one or more spaces.
#
#   initials("grace hopper") # => "GH"
def initials(name)
# --- solution
  name.split.map { |word| word[0].upcase }.join
end

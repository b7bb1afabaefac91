# Returns the last of the given numbers.
#
# There is at least one.
#
#   last_element([3, 1, 2]) # => 2
def last_element(numbers)
# --- solution
  numbers.last
end

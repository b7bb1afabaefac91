# Returns the last of the given numbers.
#
# There is at least one.
#
#   last_element([3, 1, 2]) # => 2
def last_element(numbers)
# --- solution
  numbers.last
end
# --- tests
assert_equal(2, last_element([3, 1, 2]))
assert_equal(5, last_element([5]))
assert_equal(-4, last_element([1, 9, -4]))
assert_equal(0, last_element([2, 8, 0]))

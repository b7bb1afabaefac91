# Returns the given numbers without repeats.
#
# Of equal numbers only the first is kept; the order stays.
#
#   unique_in_order([3, 1, 3, 2, 1]) # => [3, 1, 2]
def unique_in_order(numbers)
# --- solution
  numbers.uniq
end
# --- tests
assert_equal([3, 1, 2], unique_in_order([3, 1, 3, 2, 1]))
assert_equal([], unique_in_order([]))
assert_equal([5], unique_in_order([5, 5, 5]))
assert_equal([9, -9, 0], unique_in_order([9, -9, 0]))
assert_equal([1, 2, 3], unique_in_order([1, 2, 2, 1, 3]))

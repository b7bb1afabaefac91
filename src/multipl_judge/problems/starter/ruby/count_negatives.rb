# Returns how many of the given numbers are below zero.
#
#   count_negatives([3, -1, -2]) # => 2
def count_negatives(numbers)
# --- solution
  numbers.count(&:negative?)
end
# --- tests
assert_equal(2, count_negatives([3, -1, -2]))
assert_equal(0, count_negatives([0, 5]))
assert_equal(0, count_negatives([]))
assert_equal(2, count_negatives([-7, -7, 0, 7]))

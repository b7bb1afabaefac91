# Returns the sum of the given numbers.
#
# The sum of none is 0.
#
#   sum_of_list([1, 2, 3]) # => 6
def sum_of_list(numbers)
# --- solution
  numbers.sum
end
# --- tests
assert_equal(6, sum_of_list([1, 2, 3]))
assert_equal(0, sum_of_list([]))
assert_equal(0, sum_of_list([-5, 5]))
assert_equal(10, sum_of_list([10]))
assert_equal(7, sum_of_list([4, 4, -1]))

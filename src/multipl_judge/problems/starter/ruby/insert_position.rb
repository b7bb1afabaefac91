# Returns the index of the first number that is not below target.
#
# The numbers are in ascending order. If all are below target, the result is how many there are.
#
#   insert_position([10, 20, 30], 20) # => 1
#   insert_position([10, 20, 30], 25) # => 2
def insert_position(numbers, target)
# --- solution
  numbers.bsearch_index { |number| number >= target } || numbers.size
end
# --- tests
assert_equal(1, insert_position([10, 20, 30], 20))
assert_equal(2, insert_position([10, 20, 30], 25))
assert_equal(0, insert_position([], 5))
assert_equal(2, insert_position([10, 20], 99))
assert_equal(0, insert_position([10, 20], -1))
assert_equal(0, insert_position([4, 4, 4, 4, 9], 4))
assert_equal(1, insert_position([1, 4, 4, 4, 9], 4))
assert_equal(0, insert_position([1], 1))
assert_equal(7, insert_position([1, 2, 2, 2, 2, 2, 2, 3], 3))

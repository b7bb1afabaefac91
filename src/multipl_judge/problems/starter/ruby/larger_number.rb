# Returns the larger of the two numbers.
#
#   larger_number(3, 8) # => 8
def larger_number(a, b)
# --- solution
  [a, b].max
end
# --- tests
assert_equal(8, larger_number(3, 8))
assert_equal(8, larger_number(8, 3))
assert_equal(-2, larger_number(-2, -9))
assert_equal(5, larger_number(5, 5))
assert_equal(0, larger_number(-1, 0))

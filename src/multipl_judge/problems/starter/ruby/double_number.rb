# Returns twice n.
#
#   double_number(4) # => 8
def double_number(n)
# --- solution
  2 * n
end
# --- tests
assert_equal(8, double_number(4))
assert_equal(0, double_number(0))
assert_equal(-6, double_number(-3))
assert_equal(42, double_number(21))

# Returns whether n is an even number.
#
#   even_number?(4) # => true
#   even_number?(7) # => false
def even_number?(n)
# --- solution
  n % 2 == 0
end
# --- tests
assert_equal(true, even_number?(4))
assert_equal(false, even_number?(7))
assert_equal(true, even_number?(0))
assert_equal(true, even_number?(-2))
assert_equal(false, even_number?(-3))

# Returns the numbers from n down to 1, and then the word go!
#
# They are joined by a comma and a space; n is not negative.
#
#   countdown(3) # => "3, 2, 1, go!"
def countdown(n)
# --- solution
  [*n.downto(1), "go!"].join(", ")
end
# --- tests
assert_equal("3, 2, 1, go!", countdown(3))
assert_equal("1, go!", countdown(1))
assert_equal("go!", countdown(0))
assert_equal("10, 9, 8, 7, 6, 5, 4, 3, 2, 1, go!", countdown(10))

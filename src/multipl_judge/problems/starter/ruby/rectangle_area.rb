# Returns the area of a rectangle with the given sides.
#
#   rectangle_area(3, 4) # => 12
def rectangle_area(width, height)
# --- solution
  width * height
end
# --- tests
assert_equal(12, rectangle_area(3, 4))
assert_equal(25, rectangle_area(5, 5))
assert_equal(0, rectangle_area(7, 0))
assert_equal(9, rectangle_area(1, 9))

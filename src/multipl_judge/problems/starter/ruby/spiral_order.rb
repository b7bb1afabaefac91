# Returns the numbers of a table in a clockwise spiral.
#
# The spiral starts at the top left, runs along the outside and ends in the middle. All rows are
# of the same length, which is at least 1; there may be no rows.
#
#   spiral_order([[1, 2, 3], [4, 5, 6]]) # => [1, 2, 3, 6, 5, 4]
def spiral_order(rows)
# --- solution
  spiral = []
  until rows.empty?
    spiral.concat(rows.first)
    rows = rows.drop(1).transpose.reverse
  end
  spiral
end
# --- tests
assert_equal([1, 2, 3, 6, 5, 4], spiral_order([[1, 2, 3], [4, 5, 6]]))
assert_equal([1, 2, 3, 6, 9, 8, 7, 4, 5], spiral_order([[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
assert_equal([1, 2, 4, 3], spiral_order([[1, 2], [3, 4]]))
assert_equal([], spiral_order([]))
assert_equal([5], spiral_order([[5]]))
assert_equal([1, 2, 3], spiral_order([[1, 2, 3]]))
assert_equal([1, 2, 3], spiral_order([[1], [2], [3]]))
assert_equal(
  [1, 2, 3, 4, 8, 12, 11, 10, 9, 5, 6, 7],
  spiral_order([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
)
assert_equal([1, 2, 4, 6, 5, 3], spiral_order([[1, 2], [3, 4], [5, 6]]))

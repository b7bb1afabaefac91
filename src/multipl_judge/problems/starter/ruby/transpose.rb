# Returns the columns of a table as its new rows.
#
# All rows are of the same length, which is at least 1; there may be no rows.
#
#   transpose([[1, 2, 3], [4, 5, 6]]) # => [[1, 4], [2, 5], [3, 6]]
def transpose(rows)
# --- solution
  rows.transpose
end

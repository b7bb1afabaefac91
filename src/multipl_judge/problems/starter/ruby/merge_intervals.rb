# Returns the given intervals with those that overlap or touch made one.
#
# Each is a start and an end; they come in any order and leave in the order of their starts.
#
#   merge_intervals([[5, 8], [1, 3], [2, 4]]) # => [[1, 4], [5, 8]]
def merge_intervals(intervals)
# --- solution
  intervals.sort.each_with_object([]) do |(start, finish), merged|
    if merged.any? && start <= merged.last[1]
      merged.last[1] = [merged.last[1], finish].max
    else
      merged << [start, finish]
    end
  end
end
# --- tests
assert_equal([[1, 4], [5, 8]], merge_intervals([[5, 8], [1, 3], [2, 4]]))
assert_equal([[1, 3]], merge_intervals([[1, 2], [2, 3]]))
assert_equal([[1, 2], [3, 4]], merge_intervals([[1, 2], [3, 4]]))
assert_equal([], merge_intervals([]))
assert_equal([[1, 9]], merge_intervals([[1, 9], [2, 3], [4, 5]]))
assert_equal([[-5, -1], [0, 0]], merge_intervals([[0, 0], [-5, -1]]))
assert_equal([[3, 6]], merge_intervals([[4, 6], [4, 6], [3, 4]]))

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

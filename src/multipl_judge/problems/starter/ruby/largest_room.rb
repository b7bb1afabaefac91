# Returns the number of floor tiles of the largest room on a plan.
#
# On the plan, a dot is a floor tile and # is wall. Tiles that share a side belong to the same
# room; tiles that touch only at a corner do not. All lines of the plan are of the same length.
#
#   largest_room(["..#", "##.", "..."]) # => 4
def largest_room(plan)
# --- solution
  tiles = plan.map(&:dup)
  fill = lambda do |row, column|
    next 0 unless row.between?(0, tiles.size - 1) && column >= 0 && tiles[row][column] == "."

    tiles[row][column] = "#"
    neighbours = [[row - 1, column], [row + 1, column], [row, column - 1], [row, column + 1]]
    1 + neighbours.sum { |neighbour| fill.call(*neighbour) }
  end
  sizes = plan.each_index.flat_map do |row|
    (0...plan[row].size).map { |column| fill.call(row, column) }
  end
  sizes.max || 0
end

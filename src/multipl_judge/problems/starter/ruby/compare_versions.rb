# Returns -1, 0 or 1 as version a is older than, equal to or newer than b.
#
# Versions are whole numbers joined by dots, compared number by number; a number that is missing
# is 0.
#
#   compare_versions("1.10", "1.9") # => 1
#   compare_versions("2.0", "2") # => 0
def compare_versions(a, b)
# --- solution
  left = a.split(".").map(&:to_i)
  right = b.split(".").map(&:to_i)
  length = [left.size, right.size].max
  left.fill(0, left.size...length) <=> right.fill(0, right.size...length)
end

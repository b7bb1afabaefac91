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
# --- tests
assert_equal(1, compare_versions("1.10", "1.9"))
assert_equal(0, compare_versions("2.0", "2"))
assert_equal(-1, compare_versions("1.2", "1.2.1"))
assert_equal(-1, compare_versions("2", "10"))
assert_equal(0, compare_versions("1.0.0", "1"))
assert_equal(0, compare_versions("3.07", "3.7"))
assert_equal(1, compare_versions("1", "0.9.9"))
assert_equal(1, compare_versions("4.0.1", "4"))

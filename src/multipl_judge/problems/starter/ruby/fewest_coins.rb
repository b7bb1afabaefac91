# Returns the smallest number of coins that make amount, or -1 if none do.
#
# Of each kind of coin there are as many as needed.
#
#   fewest_coins([1, 3, 4], 6) # => 2
#   fewest_coins([5], 3) # => -1
def fewest_coins(coins, amount)
# --- solution
  fewest = [0]
  (1..amount).each do |value|
    counts = coins.select { |coin| coin <= value }.filter_map { |coin| fewest[value - coin] }
    fewest << counts.min&.succ
  end
  fewest[amount] || -1
end
# --- tests
assert_equal(2, fewest_coins([1, 3, 4], 6))
assert_equal(-1, fewest_coins([5], 3))
assert_equal(0, fewest_coins([], 0))
assert_equal(0, fewest_coins([1, 5, 10], 0))
assert_equal(2, fewest_coins([1, 7, 10], 14))
assert_equal(4, fewest_coins([10, 2, 5], 27))
assert_equal(-1, fewest_coins([9, 6], 20))
assert_equal(-1, fewest_coins([], 7))
assert_equal(10, fewest_coins([7, 13], 100))

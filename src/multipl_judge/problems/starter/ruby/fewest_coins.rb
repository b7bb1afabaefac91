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

package main

// fewestCoins returns the smallest number of coins that make amount, or -1 if none do.
// Of each kind of coin there are as many as needed.
//
//	fewestCoins([]int{1, 3, 4}, 6) == 2
//	fewestCoins([]int{5}, 3) == -1
func fewestCoins(coins []int, amount int) int {
// --- solution
	fewest := []int{0}
	for value := 1; value <= amount; value++ {
		best := -1
		for _, coin := range coins {
			if coin > value || fewest[value-coin] < 0 {
				continue
			}
			if best < 0 || fewest[value-coin]+1 < best {
				best = fewest[value-coin] + 1
			}
		}
		fewest = append(fewest, best)
	}
	return fewest[amount]
}
